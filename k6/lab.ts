/** Any lab: `k6 run -e KNEEPOINT_LAB=/path/to/lab.json k6/lab.ts`, a whole lab as JSON. */
import { completeLab } from '../src/model/lab.ts';
import type { LabFile } from '../src/model/lab-schema.ts';
import { matrix } from './matrix.ts';

const lab = completeLab(JSON.parse(open(__ENV.KNEEPOINT_LAB ?? 'lab.json')) as LabFile);

export const { options, setup, work, teardown, handleSummary } = matrix(lab);
