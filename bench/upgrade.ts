/** `node bench/upgrade.ts`: what a ladder costs: all tiers × plans × 20 worker counts, a hundred million records, a search. */

import { outcomeOf, tellingWorkers } from '../src/analyze/upgrade/outcome.ts';
import { cheapestPath } from '../src/analyze/upgrade/path.ts';
import { createForecast } from '../src/analyze/upgrade/steady-state.ts';
import { upgradeLadder } from '../src/analyze/upgrade/upgrade.ts';
import { completeLab, type Lab } from '../src/model/lab.ts';
import { labs } from '../src/model/labs.ts';
import { type PlanName, plans } from '../src/model/plans.ts';
import { tierLadder } from '../src/model/tiers.ts';
import { simulateCell } from '../src/simulate/cell.ts';

const cpuSeconds = (work: () => void): string => {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return `${((user + system) / 1e6).toFixed(2)} s of CPU`;
};

const workers = Array.from({ length: 20 }, (_, index) => index + 1);
const planNames = Object.keys(plans) as PlanName[];
const labs36 = tierLadder.flatMap((tier) =>
  planNames.map((plan) =>
    completeLab({ workers, openai: { tier, bucket: { tpm: 'empty' } }, qdrant: { plan } }),
  ),
);
const size = `tiers × ${planNames.length} plans × 20 worker counts, 100 records`;
const cells = (countsOf: (lab: Lab) => number[]) =>
  cpuSeconds(() => {
    for (const each of labs36) for (const count of countsOf(each)) simulateCell(each, count);
  });
console.log(`${size}, the cells that the ladder rests on: ${cells(tellingWorkers)}`);
// Twenty workers of the free tier spend a day's quota on 429s: that takes millions of requests to find out.
console.log(`${size}, every cell: ${cells(() => workers)}`);
const judged = cpuSeconds(() => {
  const forecast = createForecast();
  for (const each of labs36) outcomeOf(each, each.workload.records, forecast);
});
console.log(`${size}, judged, with what each recommends: ${judged}`);

const lab = labs['openai-tier-1']!;
const plain = cpuSeconds(() => upgradeLadder(lab));
console.log(`the ladder of openai-tier-1: ${plain}`);
for (const name of ['openai-tier-1', 'qdrant-free', 'worked-example']) {
  const large = cpuSeconds(() => upgradeLadder(labs[name]!, 100_000_000));
  console.log(`the ladder of ${name} for 100,000,000 records: ${large}`);
}
const search = cpuSeconds(() => cheapestPath(lab, 1_000_000, 8 * 3_600, createForecast()));
console.log(`the cheapest path for 1,000,000 records in 8 h: ${search}`);
