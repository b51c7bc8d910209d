import { expect, test } from 'vitest';
import { completeLab } from '../../model/lab.ts';
import { labFiles, labs } from '../../model/labs.ts';
import { tierLadder } from '../../model/tiers.ts';
import { simulateSweep } from '../analyze.ts';
import { outcomeOf, tellingWorkers } from './outcome.ts';
import { cheapestPath } from './path.ts';
import { recommendedEnv } from './recommended-env.ts';
import { createForecast } from './steady-state.ts';
import { bestSetting, bestStep, type Ladder, upgradeLadder } from './upgrade.ts';

const rowOf = ({ rows }: Ladder, name: string) => rows.find(({ step }) => step?.name === name)!;

const tierOne = upgradeLadder(labs['openai-tier-1']!);

test('Tier 2 gains nothing, Tier 3 moves the knee to 12.5, Tier 4 gains nothing more', () => {
  expect(tierOne.rows[0]!.atLab).toMatchObject({ knee: 2.5, recommendedWorkers: 2 });
  const [two, three, four, five] = [2, 3, 4, 5].map((tier) => rowOf(tierOne, `tier-${tier}`));
  expect(two).toMatchObject({ gainsNothing: true, atLab: { knee: 2.5, bottleneck: 'openai-tpm' } });
  expect(three).toMatchObject({ gainsNothing: false });
  expect(three!.atLab).toMatchObject({
    knee: 12.5,
    recommendedWorkers: 12,
    bottleneck: 'openai-tpm',
  });
  expect(four).toMatchObject({ gainsNothing: false, sameAs: 'tier-3' });
  expect(five!.atLab).toMatchObject({ recommendedWorkers: 20, bottleneck: 'none' });
  expect(bestStep(tierOne)!.step.name).toBe('tier-3');
});

test('what a tier asks for is money in advance and days', () => {
  expect(rowOf(tierOne, 'tier-3').step!.price).toMatchObject({
    isKnown: true,
    paidUsd: 100,
    prepaidUsd: 95,
    waitingDays: 7,
  });
  expect(rowOf(tierOne, 'tier-5').step!.price).toMatchObject({ prepaidUsd: 995, waitingDays: 30 });
  // Tier 2 is there already: of Tier 5's 30 days 23 at most are left, of Tier 3's 7 none.
  const tierTwo = upgradeLadder(completeLab({ workers: [1, 2], openai: { tier: 'tier-2' } }));
  expect(rowOf(tierTwo, 'tier-5').step!.price).toMatchObject({
    waitingDays: 30,
    remainingDays: 23,
    prepaidUsd: 950,
  });
  expect(rowOf(tierTwo, 'tier-3').step!.price).toMatchObject({ waitingDays: 7, remainingDays: 0 });
  expect(rowOf(tierOne, '128 GiB').step!.price.isKnown).toBe(false);
});

test('tokens of a million records at $0.02 a million cost $80, at every step', () => {
  const { rows } = upgradeLadder(labs['openai-tier-1']!, 1_000_000);
  for (const { atTarget } of rows) expect(atTarget!.tokensUsd).toBeCloseTo(80, 9);
  // 4 billion tokens at 5 million a minute are 800 minutes; 12 of 12.5 workers take a little longer.
  const three = rows.find(({ step }) => step?.name === 'tier-3')!;
  expect(three.atTarget!.by).toBe('extrapolation');
  expect(three.atTarget!.seconds! / 60).toBeGreaterThan(800);
  expect(three.atTarget!.seconds! / 60).toBeLessThan(800 * (12.5 / 12) * 1.01);
  expect(three.gain).toBeCloseTo(6, 1);
});

test('more memory only helps where memory binds, and nothing helps where nothing binds', () => {
  const memory = upgradeLadder(labs['memory-8gb']!);
  expect(bestStep(memory)!.step.name).toBe('16 GiB');
  const more = rowOf(memory, '16 GiB');
  expect(more.gain).toBeCloseTo(100 / 12 / (100 / 20), 0);
  const bought = ({ kind }: { kind: string }) => kind !== 'batch' && kind !== 'pool';
  const linear = upgradeLadder(labs.linear!);
  for (const row of linear.rows)
    if (row.step && bought(row.step)) expect(row.gainsNothing, row.step.name).toBe(true);
});

test('a plan that the points do not fit into gains nothing, whatever else it bears', () => {
  const ladder = upgradeLadder(labs['qdrant-free']!, 100_000);
  expect(ladder.rows[0]!.atTarget!.seconds).toBeNull();
  expect(rowOf(ladder, 'starter')).toMatchObject({ gainsNothing: true, gain: null });
  const fits = rowOf(ladder, 'standard-2');
  expect(fits).toMatchObject({ gainsNothing: false, gain: null });
  const [careful, most] = recommendedEnv(ladder);
  expect(careful!.why).toMatch(/Even so, 100,000 records can't be done\.$/);
  expect(most!.why).toBe("Only with standard-2: without it, 100,000 records can't be done.");
  expect(most!.env.MAX_WORKERS).toBe(fits.atTarget!.recommendedWorkers);
  // $0.166 for each begun hour.
  expect(fits.atTarget!.planUsd).toBeCloseTo(0.166 * Math.ceil(fits.atTarget!.seconds! / 3_600), 9);
});

test("a day's limit is said to bind a target, not the pilot", () => {
  const lab = completeLab({ workers: [1, 2], openai: { tier: 'free', rejectionCost: 'none' } });
  const [now] = upgradeLadder(lab, 100_000).rows;
  expect(now!.atLab.bottleneck).not.toBe('openai-rpd');
  expect(now!.atTarget!.bottleneck).toBe('openai-rpd');
});

test('leaving storms out of the matrix changes no outcome, whatever the tier and the plan', () => {
  const workers = Array.from({ length: 20 }, (_, index) => index + 1);
  const forecast = createForecast();
  for (const tier of tierLadder)
    for (const plan of ['free', 'standard-4', 'unlimited'] as const)
      for (const client of ['patient', 'openai-node-7'] as const) {
        const openai = { tier, bucket: { tpm: 'empty' as const } };
        const full = completeLab({ workers, worker: { client }, openai, qdrant: { plan } });
        const { verdict } = simulateSweep(full, { kneepoint: '', node: '', labHash: '' });
        const { bottleneck, knee, recommendedWorkers, nextBottleneck } = verdict;
        const outcome = outcomeOf(full, 100, forecast);
        const name = `${tier} ${plan} ${client}`;
        expect(outcome, name).toMatchObject({ knee, recommendedWorkers });
        // A day's limit that the run empties is told before what binds each minute.
        if (outcome.bottleneck !== 'openai-rpd')
          expect(outcome, name).toMatchObject({ bottleneck, nextBottleneck });
      }
  expect(tellingWorkers(completeLab({ workers, openai: { tier: 'free' } }))).toEqual([
    1, 2, 3, 4, 5, 20,
  ]);
});

const lab = labs['openai-tier-1']!;
test.each([
  [15, ['tier-3']],
  [8.5, ['tier-5']],
  [100, []],
])('a million records in %f h: %j', (hours, names) => {
  const path = cheapestPath(lab, 1_000_000, hours * 3_600, createForecast());
  // Batches are free: they may be part of the cheapest way.
  const bought = path.steps!.map(({ step }) => step).filter(({ kind }) => kind === 'openai');
  expect(bought.map(({ name }) => name)).toEqual(names);
  expect(path.outcome.seconds).toBeLessThanOrEqual(hours * 3_600);
  // Each step is needed: without it the deadline is missed.
  for (const { step, without } of path.steps!)
    expect(without.seconds ?? Infinity, step.name).toBeGreaterThan(hours * 3_600);
});

test('no tier is bought where a setting does', () => {
  // 66.7 h is the limit of Tier 1; two workers need 83.3 h, larger claims keep it full.
  const path = cheapestPath(lab, 1_000_000, 70 * 3_600, createForecast());
  expect(path.steps!.map(({ step }) => step.kind)).toEqual(['batch']);
  expect(path.usd).toBe(0);
});

test('a deadline that no combination meets: the fastest is named, and what binds it', () => {
  // 4 billion tokens at Tier 5's 10 million a minute are 6.67 h.
  const path = cheapestPath(lab, 1_000_000, 6.5 * 3_600, createForecast());
  expect(path.steps).toBeUndefined();
  expect(path.fastest!.map(({ name }) => name)).toContain('tier-5');
  expect(path.outcome.seconds! / 3_600).toBeGreaterThan(6.6);
  expect(path.outcome.seconds! / 3_600).toBeLessThan(7);
});

test('steps without a known price come last', () => {
  const path = cheapestPath(labs['memory-8gb']!, 1_000_000, 11 * 3_600, createForecast());
  expect(path.unpriced).toEqual([]);
  expect(path.steps!.map(({ step }) => step.kind)).toEqual(['batch']);
});

test.each(Object.keys(labFiles))('the blocks of %s can be pasted, and each says why', (name) => {
  const blocks = recommendedEnv(upgradeLadder(labs[name]!));
  expect(blocks.map(({ title }) => title)).toEqual([
    'Conservative',
    'Aggressive',
    'Memory-constrained',
  ]);
  for (const { env, why } of blocks) {
    expect(env.MAX_WORKERS).toBeGreaterThanOrEqual(1);
    expect(env.MYSQL_POOL_SIZE).toBeGreaterThanOrEqual(env.MAX_WORKERS);
    expect(why).toMatch(/^[A-Za-z0-9].*\.$/);
  }
  const [careful, most, small] = blocks.map(({ env }) => env);
  expect(careful!.MAX_WORKERS).toBeLessThanOrEqual(most!.MAX_WORKERS);
  // The test plan's small machine: at most two workers, batches of a hundred.
  expect(small).toMatchObject({ BATCH_SIZE: 100 });
  expect(small!.MAX_WORKERS).toBeLessThanOrEqual(2);
});

test('the block of the small machine is the row of its batches: one worker, who is over the limit', () => {
  const row = rowOf(tierOne, 'batch 100, claim 12');
  const small = recommendedEnv(tierOne)[2]!;
  expect(row.atLab).toMatchObject({ recommendedWorkers: 1, knee: 0.51 });
  expect(small.env).toEqual({
    MAX_WORKERS: 1,
    BATCH_SIZE: 100,
    CLAIM_SIZE: 12,
    MYSQL_POOL_SIZE: 10,
  });
  expect(small.why).toContain('over the knee');
});

test('larger batches of which records are lost are in no block', () => {
  const lab = completeLab({
    ...labFiles['sdk-defaults'],
    worker: { client: 'none' },
    workload: { recordsPerClaim: 1 },
  });
  const ladder = upgradeLadder(lab);
  const row = rowOf(ladder, 'batch 100, claim 12');
  expect(row.atLab.lostShare).toBeGreaterThan(0);
  expect(row.gainsNothing).toBe(true);
  expect(recommendedEnv(ladder)[2]!.env).toMatchObject({ MAX_WORKERS: 2, BATCH_SIZE: 50 });
});

test('what an empty bucket refuses at the start, a record a worker, takes no gain from a tier', () => {
  const lossy = upgradeLadder(labs['sdk-defaults']!);
  const three = rowOf(lossy, 'tier-3');
  expect(three.atLab.lostShare).toBeGreaterThan(0);
  expect(three).toMatchObject({ gainsNothing: false, atLab: { recommendedWorkers: 12 } });
  expect(bestStep(lossy)!.step.name).toBe('tier-3');
});

test('a step of which nobody knows what binds then is not recommended', () => {
  const pilot = upgradeLadder(labs['pilot-trap']!);
  expect(rowOf(pilot, 'batch 200, claim 25').atLab.bottleneck).toBe('undetermined');
  expect(bestSetting(pilot)!.step.name).toBe('batch 100, claim 12');
  expect(pilot.rows[0]!.atLab.isPilot).toBe(true);
  expect(tierOne.rows[0]!.atLab.isPilot).toBe(false);
});

test('no block names a pool that was not judged', () => {
  // Two connections of 200 ms in 780 ms a record are full at 2 / 0.2 * 0.78 = 7.8 workers.
  const lab = completeLab({ mysql: { poolSize: 2 }, worker: { readMs: 200 } });
  const ladder = upgradeLadder(lab);
  expect(ladder.rows[0]!.atLab).toMatchObject({ knee: 7.8, bottleneck: 'mysql-pool' });
  const [careful, most] = recommendedEnv(ladder);
  // 80 % of 7.8 are 6.24.
  expect(careful!.env).toMatchObject({ MAX_WORKERS: 6, MYSQL_POOL_SIZE: 2 });
  // With four connections the knee is 15.6; at 80 % efficiency 19 workers use them.
  expect(most!.env).toMatchObject({ MAX_WORKERS: 19, MYSQL_POOL_SIZE: 4 });
  expect(most!.why).toContain('pool 4, which is free');
});

test('too few claims: smaller ones are a step, and they need no headroom', () => {
  const ladder = upgradeLadder(labs['two-batches']!);
  // 100 records for 20 workers are 5 a claim: 20 + 5 * 80 + 380 + 120 ms, all at once.
  const smaller = rowOf(ladder, 'batch 50, claim 5');
  expect(smaller.atLab).toMatchObject({ recommendedWorkers: 20, bottleneck: 'none' });
  expect(smaller.atLab.seconds).toBeCloseTo(0.92, 2);
  expect(bestStep(ladder)!.step.name).toBe('batch 50, claim 5');
  const [careful, most] = recommendedEnv(ladder);
  expect(careful!.env.MAX_WORKERS).toBe(2);
  expect(most!.env).toMatchObject({ MAX_WORKERS: 20, CLAIM_SIZE: 5 });
});

test('too few cores: twice as many are a step', () => {
  // Two cores of 80 ms in 600 ms a record are full at 15 workers.
  const ladder = upgradeLadder(completeLab({ host: { cores: 2 } }));
  expect(ladder.rows[0]!.atLab).toMatchObject({ knee: 15, bottleneck: 'client-cpu' });
  expect(rowOf(ladder, '4 cores').atLab).toMatchObject({ bottleneck: 'none' });
  expect(bestStep(ladder)!.step.name).toBe('4 cores');
});

test('what is free and gains is known beside what is bought', () => {
  const ladder = upgradeLadder(labs['memory-8gb']!, 1_000_000);
  expect(bestStep(ladder)!.step.name).toBe('16 GiB');
  expect(bestSetting(ladder)!.gain).toBeGreaterThan(bestStep(ladder)!.gain!);
});

test('"the same as" is said of steps that take the same time within 1 %, and no room is made of not knowing', () => {
  const linear = upgradeLadder(labs.linear!);
  // 9 claims of 12 and 4 of 25 records: 20 + 12 * 80 + 500 and 20 + 25 * 80 + 500 ms.
  const [six, twelve, twentyFive] = ['50, claim 6', '100, claim 12', '200, claim 25'].map((name) =>
    rowOf(linear, `batch ${name}`),
  );
  expect(six!.atLab.seconds).toBeCloseTo(1, 1);
  expect(twelve!.atLab.seconds).toBeCloseTo(1.48, 2);
  expect(twentyFive!.atLab.seconds).toBeCloseTo(2.52, 2);
  for (const row of linear.rows) expect(row.sameAs, row.step?.name).toBeUndefined();
  const two = rowOf(upgradeLadder(labs['openai-tier-2']!), 'batch 200, claim 25');
  expect(two).toMatchObject({ gainsNothing: true, atLab: { bottleneck: 'undetermined' } });
});

test("a plan's row keeps the figures that the lab sets itself, as --plan does, and says so", () => {
  const lab = completeLab({ qdrant: { plan: 'free', latency: { fixed: 400 } } });
  const ladder = upgradeLadder(lab);
  const changed = rowOf(ladder, 'standard-4').step!.change(lab);
  expect(changed).toEqual(completeLab({ qdrant: { plan: 'standard-4', latency: { fixed: 400 } } }));
  expect(ladder.notes.join()).toContain('qdrant.latency');
  expect(upgradeLadder(labs['qdrant-free']!).notes).toEqual([]);
});

test('a tier that lowers a limit of the lab is left out, with the reason', () => {
  const lab = completeLab({ openai: { tier: 'tier-1', limits: { tpm: 2_500_000 } } });
  const { rows, notes } = upgradeLadder(lab);
  const tiers = rows.flatMap(({ step }) => (step?.kind === 'openai' ? [step.name] : []));
  expect(tiers).toEqual(['tier-3', 'tier-4', 'tier-5']);
  expect(notes).toEqual([
    'tier-2 is left out: its TPM of 1,000,000 is less than the 2,500,000 that the lab has now.',
  ]);
});

test('the blocks of Tier 1: 2 workers now, 12 after the step to Tier 3', () => {
  const [careful, most] = recommendedEnv(tierOne);
  expect(careful!.env.MAX_WORKERS).toBe(2);
  expect(most!.env.MAX_WORKERS).toBe(12);
  expect(most!.why).toContain('tier-3');
});
