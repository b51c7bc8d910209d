import { execFile } from 'node:child_process';
import { closeSync, constants, openSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, type Readable } from 'node:stream';
import { promisify } from 'node:util';

/** `writeEnd` is a file descriptor to hand to a child process; close it once that is started. */
export type OutputPipe = { output: Readable; writeEnd: number; closeWriteEnd: () => void };

/**
 * One pipe for both stdout and stderr, so that their lines stay in order. What Node makes by itself is
 * a socket for each, which a program also can't open again as /dev/stdout. A named pipe is the only one
 * that Node can open; its name is gone when this returns. Undefined where there are none (Windows),
 * or no `mkfifo` to make them.
 */
export async function openOutputPipe(): Promise<OutputPipe | undefined> {
  if (process.platform === 'win32') return undefined;
  const folder = await mkdtemp(join(tmpdir(), 'kneepoint-'));
  try {
    const path = join(folder, 'output');
    const made = await promisify(execFile)('mkfifo', ['-m', '600', path]).catch(() => undefined);
    if (!made) return undefined;
    // Without O_NONBLOCK this waits for a writer; with it, the writer that follows finds a reader.
    const readEnd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const writeEnd = openSync(path, constants.O_WRONLY);
    let closed = false;
    return {
      output: new Socket({ fd: readEnd, readable: true, writable: false }),
      writeEnd,
      closeWriteEnd: () => {
        if (!closed) closeSync(writeEnd);
        closed = true;
      },
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Both outputs of a child that could not be given one pipe: its lines in about the order they came. */
export function mergeOutputs(outputs: Readable[]): Readable {
  const merged = new PassThrough();
  let open = outputs.length;
  for (const output of outputs) {
    output.pipe(merged, { end: false });
    output.once('close', () => {
      open -= 1;
      if (open === 0) merged.end();
    });
  }
  return merged;
}
