/** Writes the published JSON Schemas from their sources: `npm run schema`. A test fails where they are stale. */
import { writeFileSync } from 'node:fs';
import { labSchema } from './model/lab-schema.ts';

writeFileSync(
  new URL('../schema/lab.schema.json', import.meta.url),
  `${JSON.stringify(labSchema, null, 2)}\n`,
);
