import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The package's folder: this file lies in its `src`, and once built in its `dist/src`. */
export const packageRoot = (() => {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return folder;
})();
