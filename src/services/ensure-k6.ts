import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { cachedK6Path, findK6 } from './k6-binary.ts';
import { MissingPartError } from './missing-part.ts';

/*
 * Run by setup.mjs before every command, so the usual case must cost nothing: a k6 in the cache ran
 * before it was put there, and its being there is enough. A k6 named in the environment is checked.
 */
const root = join(import.meta.dirname, '..', '..');
if (process.env.KNEEPOINT_K6 || !existsSync(cachedK6Path(process.env, root))) await ensure();

async function ensure(): Promise<void> {
  const say = (line: string) => void process.stderr.write(`kneepoint: ${line}\n`);
  const interrupted = new AbortController();
  const interrupt = () => interrupted.abort();
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  try {
    await findK6({ env: process.env, root, say, signal: interrupted.signal });
  } catch (error) {
    if (interrupted.signal.aborted) {
      process.exitCode = 130;
      return;
    }
    say(error instanceof Error ? error.message : String(error));
    process.exitCode = error instanceof MissingPartError ? 4 : 1;
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  }
}
