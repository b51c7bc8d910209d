/**
 * An upgrade in mid-run: so many workers on one tier, then the mocks' admin port puts the same key on the
 * next tier while they go on. The summary shows the records per second before and after.
 *
 *     kneepoint mocks        # prints KNEEPOINT_ADMIN_URL and KNEEPOINT_ADMIN_TOKEN
 *     k6 run -e KNEEPOINT_ADMIN_URL=… -e KNEEPOINT_ADMIN_TOKEN=… k6/upgrade.ts
 *
 * `-e FROM=tier-1 -e TO=tier-3 -e WORKERS=12 -e SPEED=10` are the defaults: 12 workers are what Tier 3
 * carries.
 */
import exec from 'k6/execution';
import http from 'k6/http';
import { Counter } from 'k6/metrics';
import type { Options } from 'k6/options';
import { completeLab } from '../src/model/lab.ts';
import { demandSeconds } from '../src/model/services.ts';
import { type TierName, tiers } from '../src/model/tiers.ts';
import { createWorkload } from '../src/model/workload.ts';
import type { K6Summary } from './cells.ts';
import { refuse } from './refuse.ts';
import { qdrantOf, urls } from './urls.ts';
import { createVu } from './vu.ts';

const from = (__ENV.FROM ?? 'tier-1') as TierName;
const to = (__ENV.TO ?? 'tier-3') as TierName;
const positive = (name: string, text: string, isGood: (value: number) => boolean): number => {
  const value = Number(text);
  if (text.trim() === '' || !isGood(value))
    refuse(`${name}: must be a ${name === 'SPEED' ? '' : 'whole '}number over 0, got "${text}"`);
  return value;
};
const workers = positive('WORKERS', __ENV.WORKERS ?? '12', (n) => Number.isInteger(n) && n > 0);
const speed = positive('SPEED', __ENV.SPEED ?? '10', (n) => Number.isFinite(n) && n > 0);
for (const tier of [from, to])
  if (!(tier in tiers)) refuse(`FROM, TO: no tier is named ${tier}; see kneepoint tiers`);
const admin = {
  url: __ENV.KNEEPOINT_ADMIN_URL ?? 'http://127.0.0.1:4612',
  token: __ENV.KNEEPOINT_ADMIN_TOKEN ?? '',
};

// Virtual seconds. Waits that began under the old tier end before the new one is measured.
const phase = { warmUp: 15, before: 75, settle: 20, after: 75 };
const upgradeAt = phase.warmUp + phase.before;
const measuredFrom = upgradeAt + phase.settle;
const endsAt = measuredFrom + phase.after;

const lab = completeLab({
  name: 'upgrade',
  speed,
  workers: [workers],
  workload: { records: 1_000_000 },
  openai: { tier: from, bucket: { tpm: 'empty' } },
});
const workload = createWorkload(lab.workload);

const before = new Counter('records_before_upgrade');
const after = new Counter('records_after_upgrade');
const upgraded = new Counter('upgrades');

const real = (seconds: number) => `${(seconds / speed).toFixed(2)}s`;

export const options: Options = {
  scenarios: {
    work: {
      executor: 'constant-vus',
      exec: 'work',
      vus: workers,
      duration: real(endsAt),
      gracefulStop: '10s',
    },
    upgrade: {
      executor: 'per-vu-iterations',
      exec: 'upgrade',
      vus: 1,
      iterations: 1,
      startTime: real(upgradeAt),
    },
  },
  thresholds: {
    upgrades: ['count==1'],
    records_before_upgrade: ['count>0'],
    records_after_upgrade: ['count>0'],
  },
  discardResponseBodies: true,
};

type SetupData = { run: string };

const json = { 'content-type': 'application/json' };

export function setup(): SetupData {
  if (admin.token === '')
    exec.test.abort('KNEEPOINT_ADMIN_TOKEN: is missing; `kneepoint mocks` prints it');
  const run = `${Date.now().toString(36)}${Math.floor(Math.random() * 1e6).toString(36)}`;
  const profile = http.put(`${urls.records}/profiles/${run}`, JSON.stringify({ lab, speed }), {
    headers: json,
    responseType: 'text',
  });
  if (profile.status !== 200)
    exec.test.abort(
      `no mocks at ${urls.records} (${profile.status}): start them with \`kneepoint mocks\``,
    );
  const { collection, key } = qdrantOf(`lab-${run}`);
  http.put(
    `${urls.qdrant}/collections/${collection}`,
    JSON.stringify({ vectors: { size: lab.workload.dimensions, distance: 'Cosine' } }),
    { headers: { ...json, 'api-key': key } },
  );
  return { run };
}

let vu: ((index: number) => void) | undefined;

/** One worker, claim after claim; each record counts for the phase in which it is done. */
export function work({ run }: SetupData): void {
  vu ??= createVu(lab, workload, speed, `lab-${run}`);
  vu(exec.scenario.iterationInTest);
  const atSeconds = ((Date.now() - exec.scenario.startTime) / 1_000) * speed;
  if (atSeconds >= phase.warmUp && atSeconds < upgradeAt) before.add(1);
  else if (atSeconds >= measuredFrom && atSeconds < endsAt) after.add(1);
}

/** What a tier upgrade is to the limiter: new limits for the same key, and what was used stays used. */
export function upgrade({ run }: SetupData): void {
  const changed = http.patch(
    `${admin.url}/profiles/lab-${run}`,
    JSON.stringify({ openai: { tier: to } }),
    { headers: { ...json, authorization: `Bearer ${admin.token}` }, responseType: 'text' },
  );
  if (changed.status !== 200)
    exec.test.abort(`the admin port refuses the upgrade: ${changed.status} ${changed.body}`);
  upgraded.add(1);
}

/** Records per second that a tier carries with so many workers: the smaller of theirs and its own. */
function predicted(tier: TierName): number {
  const { rpm = Number.POSITIVE_INFINITY, tpm = Number.POSITIVE_INFINITY } = tiers[tier].limits;
  const { chunksPerRecord, bytesPerChunk } = lab.workload;
  const requests = workload.batches(workload.claim(0));
  const tokens = (chunksPerRecord * bytesPerChunk) / 4;
  return Math.min(workers / demandSeconds(lab).total, tpm / 60 / tokens, rpm / 60 / requests);
}

export function handleSummary(summary: K6Summary) {
  const count = (name: string) => summary.metrics[name]?.values.count ?? 0;
  const rates = {
    before: count('records_before_upgrade') / phase.before,
    after: count('records_after_upgrade') / phase.after,
  };
  const line = (name: string, tier: TierName, rate: number) =>
    `  ${name.padEnd(7)} ${tier.padEnd(8)} ${rate.toFixed(2)} records/s, predicted ${predicted(tier).toFixed(2)}`;
  const text = [
    `An upgrade in mid-run: ${workers} workers, ${from} to ${to} after ${upgradeAt} s, virtual time`,
    line('before', from, rates.before),
    line('after', to, rates.after),
    `  step    ${(rates.after / rates.before).toFixed(2)}x, predicted ${(predicted(to) / predicted(from)).toFixed(2)}x`,
  ];
  return { stdout: `${text.join('\n')}\n` };
}
