import { open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { createRedactor } from './redact.ts';

/** A log of 64 MiB is more than anyone reads, and small enough for any disk. */
export const usualMaxLogBytes = 64 * 1024 * 1024;

const mostLastLines = 20;
const longestLastLine = 500;
/** Room for the last lines, and for the one that is cut off by it. */
const tailLength = (mostLastLines + 1) * longestLastLine;

const lastLinesOf = (tail: string): string[] =>
  tail
    // A progress bar writes over its line.
    .split(/\r?\n|\r/)
    .map((line) => line.trimEnd().slice(0, longestLastLine))
    .filter((line) => line !== '')
    .slice(-mostLastLines);

/**
 * Writes what comes out of `output` to a file that only its owner may read, without the secrets, up to
 * `maxBytes`. It reads no faster than it writes, and goes on reading when the file is full or the disk
 * refuses: a command must not stall or die of its log. `done` is the last lines, once `output` has ended.
 */
export async function openOutputLog(
  logPath: string,
  secrets: string[],
  maxBytes = usualMaxLogBytes,
): Promise<{ read: (output: Readable) => Promise<string[]> }> {
  const file = await open(logPath, 'w', 0o600);
  // The mode given to `open` counts for a new file only.
  await file.chmod(0o600);
  const redactor = createRedactor(secrets);
  let room = maxBytes;
  let tail = '';

  const write = async (text: string): Promise<void> => {
    if (text === '') return;
    tail = (tail + text).slice(-tailLength);
    if (room <= 0) return;
    const bytes = Buffer.from(text);
    const fits = bytes.length <= room;
    // After the last line that fits whole.
    const end = fits ? bytes.length : bytes.lastIndexOf(10, room - 1) + 1;
    room = fits ? room - bytes.length : 0;
    try {
      await file.appendFile(bytes.subarray(0, end));
      if (room <= 0)
        await file.appendFile(
          `[kneepoint: this log ends here, at ${Math.round(maxBytes / 1024)} KiB; the command went on]\n`,
        );
    } catch {
      room = 0;
    }
  };

  return {
    read: async (output) => {
      output.setEncoding('utf8');
      try {
        for await (const text of output) await write(redactor.push(text as string));
      } catch {
        // The pipe was closed on us, by a process that outlives being killed.
      }
      await write(redactor.end());
      await file.close();
      return lastLinesOf(tail);
    },
  };
}
