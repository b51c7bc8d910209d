import { UsageError } from '../usage-error.ts';

/** Runs of each worker count that are more than anyone waits for. */
const mostRepeats = 100;

/** `--repeats N`; undefined where it was not given. Throws a UsageError of one line. */
export function repeatsFrom(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const repeats = Number(text);
  if (text.trim() === '' || !Number.isInteger(repeats) || repeats < 1 || repeats > mostRepeats)
    throw new UsageError(
      `--repeats: must be a whole number from 1 to ${mostRepeats}, got "${text}"`,
    );
  return repeats;
}
