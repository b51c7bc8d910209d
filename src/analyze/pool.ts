import type { Lab } from '../model/lab.ts';

/**
 * MYSQL_POOL_SIZE for so many workers: room beside them, as the test plan gives 20 workers 50, and never more
 * connections than the lab has, for with more it was not judged.
 */
export const poolFor = ({ mysql }: Lab, workers: number): number =>
  Math.min(mysql.poolSize, Math.max(10, Math.ceil(2.5 * workers)));
