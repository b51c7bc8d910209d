import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileProblem } from './file-problem.ts';
import type { Sweep } from './model/sweep.ts';
import { renderHtml } from './report/html.ts';
import { UsageError } from './usage-error.ts';

/**
 * Makes a folder and those above it. Node's own way of it never ends where a folder says, as those of
 * /proc do, that what is to be made in it does not exist.
 */
function makeFolders(folder: string): void {
  if (existsSync(folder)) return;
  makeFolders(dirname(folder));
  try {
    mkdirSync(folder);
  } catch (error) {
    // Another run may have made it meanwhile.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/** Writes a file so that it is either there as a whole or not at all; where it can't be, `option` is who named it. */
export function writeAtomically(path: string, content: string, option = '--out'): void {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    makeFolders(dirname(path));
    writeFileSync(temporary, content);
    renameSync(temporary, path);
  } catch (error) {
    throw new UsageError(
      `${option}: cannot write ${path} (${fileProblem(error)}); choose a folder you may write to`,
    );
  }
}

/** `results/<time>-<lab>`, sortable by name. Made at once, so that a folder that can't be written stops a run before it starts. */
export function resultsFolder(out: string, labName: string, at: Date): string {
  const time = at.toISOString().slice(0, 19).replaceAll(':', '').replace('T', '-');
  const base = join(out, `${time}-${labName}`);
  try {
    makeFolders(out);
    // Two labs may have one name, and two runs one second.
    for (let count = 1; ; count++) {
      const folder = count === 1 ? base : `${base}-${count}`;
      if (existsSync(folder)) continue;
      mkdirSync(folder);
      return folder;
    }
  } catch (error) {
    throw new UsageError(
      `--out: cannot make ${base} (${fileProblem(error)}); choose a folder you may write to`,
    );
  }
}

export function writeResults(folder: string, sweep: Sweep): void {
  writeAtomically(join(folder, 'sweep.json'), `${JSON.stringify(sweep, null, 2)}\n`);
  writeAtomically(join(folder, 'report.html'), renderHtml(sweep));
}
