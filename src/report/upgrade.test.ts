import { expect, test } from 'vitest';
import { confirmationOf } from '../analyze/upgrade/confirmation.ts';
import { cheapestPath } from '../analyze/upgrade/path.ts';
import { recommendedEnv } from '../analyze/upgrade/recommended-env.ts';
import { createForecast } from '../analyze/upgrade/steady-state.ts';
import { compareStrategies } from '../analyze/upgrade/strategies.ts';
import { upgradeLadder } from '../analyze/upgrade/upgrade.ts';
import { labFiles, labs } from '../model/labs.ts';
import type { Sweep } from '../model/sweep.ts';
import { renderLadder } from './upgrade.ts';
import { renderConfirmation } from './upgrade-confirmation.ts';
import { renderEnv, renderPath } from './upgrade-path.ts';
import { renderStrategies } from './upgrade-strategies.ts';

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
  expect(prose).toContain('The first step that helps is tier-3');
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
  expect(path(6)).toContain('None of 20 combinations does 1,000,000 records in 6.0 h');
  expect(path(200)).toContain('The lab as it is does 1,000,000 records');
  for (const hours of [15, 6, 200]) expect(widest(path(hours))).toBeLessThanOrEqual(80);
});

test('strategies fit into 80 columns beside their snippets, and say what to use', () => {
  const strategies = compareStrategies(labs['openai-tier-1']!, { seeds: 3 });
  const text = renderStrategies(strategies, labs['openai-tier-1']!.openai.limits, plain);
  const [table, snippets] = text.split('Limiter in TypeScript');
  expect(widest(table!)).toBeLessThanOrEqual(80);
  expect(table).toContain('Use "shared limiter at 100 %"');
  expect(snippets).toContain('tokens: 1000000');
  expect(snippets).toContain('def may_embed(texts):');
  const free = renderStrategies(compareStrategies(labs.linear!, { seeds: 3 }), {}, plain);
  expect(free).not.toContain('mayEmbed');
});

test('k6 agrees within 5 % of both times and of the gain, or it does not', () => {
  const side = (seconds: number, predictedSeconds: number, valid = true) =>
    ({ cells: [{ workers: 2, seconds, predictedSeconds }], valid }) as Sweep;
  const of = (before: Sweep, after: Sweep) => confirmationOf('tier-3', before, after);
  expect(of(side(30.6, 30), side(5.1, 5)).agrees).toBe(true);
  expect(of(side(32, 30), side(5, 5)).agrees).toBe(false);
  // Each within 5 %, the gain not.
  expect(of(side(31.2, 30), side(4.8, 5)).agrees).toBe(false);
  const broken = of(side(30, 30), side(5, 5, false));
  expect(broken.agrees).toBe(false);
  expect(renderConfirmation(broken, plain)).toContain("Can't be judged");
  expect(renderConfirmation(of(side(30, 30), side(5, 5)), plain)).toContain('k6 agrees within 5 %');
});
