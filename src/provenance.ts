import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Lab } from './model/lab.ts';
import type { Provenance } from './model/sweep.ts';
import { packageRoot } from './package-root.ts';

export const { version } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as {
  version: string;
};

/** What made a result: the lab by its hash, and the versions of all that ran it. */
export function provenanceOf(lab: Lab): Provenance {
  const labHash = createHash('sha256').update(JSON.stringify(lab)).digest('hex').slice(0, 16);
  return { kneepoint: version, node: process.version, labHash };
}
