import { labs } from '../src/model/labs.ts';
import { matrix } from './matrix.ts';

export const { options, setup, work, teardown, handleSummary } = matrix(labs.linear!);
