/** `node bench/simulate.ts`: how fast the simulator is. One cell of a million records, and how cost grows with workers. */

import { simulateSweep } from '../src/analyze/analyze.ts';
import { completeLab } from '../src/model/lab.ts';
import { labs } from '../src/model/labs.ts';
import { simulateCell } from '../src/simulate/cell.ts';

const cpuSeconds = (work: () => void): number => {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
};

const nine = cpuSeconds(() => {
  for (const lab of Object.values(labs))
    simulateSweep(lab, { kneepoint: '', node: '', labHash: '' });
});
console.log(`nine labs with their verdicts: ${nine.toFixed(3)} s of CPU`);

for (const workers of [20, 100, 1_000]) {
  const lab = completeLab({
    workload: { records: 1_000_000 },
    mysql: { poolSize: 1_000 },
    host: { cores: 1_000, memoryGb: 10_000 },
  });
  const seconds = cpuSeconds(() => simulateCell(lab, workers));
  const rate = Math.round(1_000_000 / seconds);
  const memoryMb = Math.round(process.memoryUsage().rss / 2 ** 20);
  console.log(
    `1,000,000 records, ${workers} workers: ${seconds.toFixed(2)} s of CPU, ${rate} records/s, ${memoryMb} MiB resident`,
  );
}
