import { expect, test } from 'vitest';
import { confirmationOf } from '../analyze/upgrade/confirmation.ts';
import { cheapestPath } from '../analyze/upgrade/path.ts';
import { recommendedEnv } from '../analyze/upgrade/recommended-env.ts';
import { createForecast } from '../analyze/upgrade/steady-state.ts';
import { compareStrategies } from '../analyze/upgrade/strategies.ts';
import { upgradeLadder } from '../analyze/upgrade/upgrade.ts';
import { completeLab } from '../model/lab.ts';
import { labFiles, labs } from '../model/labs.ts';
import type { Sweep } from '../model/sweep.ts';
import { renderLadder } from './upgrade.ts';
import { renderConfirmation } from './upgrade-confirmation.ts';
import { renderEnv, renderPath } from './upgrade-path.ts';
import { renderStrategies } from './upgrade-strategies.ts';
import { dollars, durationText, priceText } from './upgrade-text.ts';

const plain = { colour: false };
const widest = (text: string) => Math.max(...text.split('\n').map((line) => [...line].length));

test.each(Object.keys(labFiles))(
  'the ladder of %s fits into 80 columns, without colours',
  (name) => {
    const forecast = createForecast();
    for (const target of [undefined, 1_000_000]) {
      const ladder = upgradeLadder(labs[name]!, target, forecast);
      const text = `${renderLadder(ladder, plain)}${renderEnv(recommendedEnv(ladder), plain)}`;
      expect(widest(text)).toBeLessThanOrEqual(80);
      expect(text).not.toContain('\u001b');
      expect(text).not.toMatch(/NaN|undefined|Infinity|null/);
    }
  },
);

test('Tier 1 in words: what gains nothing, what helps, what it asks for, what binds then', () => {
  const text = renderLadder(upgradeLadder(labs['openai-tier-1']!), plain);
  expect(text).toMatch(/^tier-2 .* gains nothing +openai-tpm$/m);
  expect(text).toMatch(/^tier-3 .* 12\.5 .* openai-tpm$/m);
  expect(text).toMatch(/^tier-4 .* as tier-3 /m);
  const prose = text.replaceAll(/\s+/g, ' ');
  expect(prose).toContain('first step that helps is tier-3');
  expect(prose).toContain('$100 paid in advance in all ($95 more) and 7 days');
  expect(prose).toContain("can't be bought directly");
  expect(text).not.toContain('extrapolated');
});

test('extrapolation is called so, and colours are there where they are asked for', () => {
  const text = renderLadder(upgradeLadder(labs['openai-tier-1']!, 1e8), { colour: true });
  expect(text).toContain('100,000,000 records are extrapolated');
  expect(text).toContain('\u001b[');
});

test('a path says why each step is in it, or that there is none', () => {
  const path = (hours: number) =>
    renderPath(
      cheapestPath(labs['openai-tier-1']!, 1_000_000, hours * 3_600, createForecast()),
      plain,
    );
  expect(path(15)).toMatch(/tier-3: without it \d/);
  expect(path(15)).toContain('7 days since the first payment');
  expect(path(6)).toContain('None of 20 combinations does 1,000,000 records in 6 h');
  expect(path(200)).toContain('The lab as it is does 1,000,000 records');
  for (const hours of [15, 6, 200]) expect(widest(path(hours))).toBeLessThanOrEqual(80);
});

test('strategies fit into 80 columns beside their snippets, and say what to use', () => {
  const strategies = compareStrategies(labs['openai-tier-1']!, { seeds: 3 });
  const text = renderStrategies(strategies, labs['openai-tier-1']!, plain);
  const [table, snippets] = text.split('Limiter in TypeScript');
  expect(widest(table!)).toBeLessThanOrEqual(80);
  expect(table).toContain('Use "shared limiter at 100 %"');
  expect(snippets).toContain('tokens: 1000000');
  expect(snippets).toContain('def may_embed(texts):');
  // The snippet is what was compared.
  expect(table).toContain('100 % of the limits (see the snippet)');
  expect(snippets).toContain('const share = 1;');
  expect(table!.replaceAll(/\s+/g, ' ')).toContain('perThousandTokens is not set');
  const free = renderStrategies(compareStrategies(labs.linear!, { seeds: 3 }), labs.linear!, plain);
  expect(free).not.toContain('mayEmbed');
});

test('k6 agrees within 5 % of both times and of the gain, or it does not', () => {
  const side = (seconds: number, predictedSeconds: number, valid = true) =>
    ({
      cells: [{ workers: 2, seconds, predictedSeconds }],
      valid,
      warnings: [{ code: 'few', message: '3 records are too few.', remedy: 'Run more.' }],
    }) as unknown as Sweep;
  const of = (before: Sweep, after: Sweep) => confirmationOf('tier-3', before, after);
  expect(of(side(30.6, 30), side(5.1, 5)).agrees).toBe(true);
  expect(of(side(32, 30), side(5, 5)).agrees).toBe(false);
  // Each within 5 %, the gain not.
  expect(of(side(31.2, 30), side(4.8, 5)).agrees).toBe(false);
  const broken = of(side(30, 30), side(5, 5, false));
  expect(broken.agrees).toBe(false);
  const told = renderConfirmation(broken, plain).replaceAll(/\s+/g, ' ');
  expect(told).toContain("Can't be judged");
  expect(told).toContain('the run of "tier-3" was not valid. 3 records are too few. Run more.');
  expect(renderConfirmation(of(side(30, 30), side(5, 5)), plain)).toContain('k6 agrees within 5 %');
});

test.each([
  [3.04, '3.04 s'],
  [59.98, '1 min'],
  [100, '1.67 min'],
  [3_600, '1 h'],
  [3_599, '1 h'],
  [6_020, '1.67 h'],
  [129_600, '36 h'],
  [172_800, '2 d'],
  [30_000_000, '347 d'],
])('%f seconds are told as %s', (seconds, text) => {
  expect(durationText(seconds)).toBe(text);
});

test.each([
  [0, '$0'],
  [0.008, '$0.008'],
  [80, '$80'],
  [166.5, '$166.50'],
  [8_000, '$8,000'],
  [1_234.5, '$1,234.50'],
])('%f dollars are written %s', (usd, text) => {
  expect(dollars(usd)).toBe(text);
});

test('the days of a tier are those since the first payment, and how many may be left', () => {
  const { rows } = upgradeLadder(labs['openai-tier-2']!);
  const priceOf = (name: string) => priceText(rows.find(({ step }) => step?.name === name)!.step!);
  expect(priceOf('tier-4')).toContain('14 days since the first payment (up to 7 more)');
  expect(priceOf('tier-3')).toContain('7 days since the first payment (none more)');
});

test('one record, one worker: nothing can be told, and the sentences hold', () => {
  const file = { workers: [1], workload: { records: 1 } };
  const ladder = upgradeLadder(completeLab(file));
  const text = `${renderLadder(ladder, plain)}${renderEnv(recommendedEnv(ladder), plain)}`;
  expect(text).toContain("What binds can't be told");
  expect(text).toContain('Tokens of 1 record:');
  expect(text).not.toMatch(/1 records|worker hold |Undetermined \(|before undetermined/);
});

test('records that fit into no plan: nothing binds then, nothing was extrapolated, and there is a way out', () => {
  const text = renderLadder(upgradeLadder(labs['qdrant-free']!, 1_000_000), plain);
  expect(text).toMatch(/^standard-16 .* won't fit {2}gains nothing {2}–$/m);
  expect(text).not.toContain('extrapolated');
  // 7,000,000 points of 8 a record.
  expect(text.replaceAll(/\s+/g, ' ')).toContain('standard-16, holds 875,000 records: split them');
});
