import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { goDuration } from '../../mocks/openai/durations.ts';
import { chargedTokens, createLimiter, quotasOf } from './limiter.ts';

const file = new URL('../../test/fixtures/openai-embedding-headers.csv', import.meta.url);
const [head, ...lines] = readFileSync(file, 'utf8').trim().split(/\r?\n/);
const names = head!.split(',');
const rows = lines.map((line) => {
  const cells = line.split(',');
  return Object.fromEntries(names.map((name, at) => [name, cells[at]!]));
});

test('the sample is there', () => {
  expect(rows.length).toBe(88);
});

const titled = rows.map((row, at) => [`${at + 2}, ${row.recorded_on}`, row] as const);

test.each(titled)('line %s: the reset headers follow from the charge', (_, row) => {
  const limits = { rpm: Number(row.limit_requests), tpm: Number(row.limit_tokens) };
  const full = { rpm: 'full', tpm: 'full', rpd: 'full' } as const;
  const limiter = createLimiter(quotasOf(limits, 60, full), 'request');
  expect(limiter.admit(Number(row.charged_tokens), 0)).toBeUndefined();
  const resets = limiter.standings(0).map(({ fullAgainMs }) => goDuration(fullAgainMs));
  expect(resets).toEqual([row.reset_requests, row.reset_tokens]);
});

const strings = titled.filter(([, row]) => row.input_kind === 'string');

test.each(strings)('line %s: the charge follows from the bytes', (_, row) => {
  const charged = chargedTokens(Number(row.bytes_or_tokens_total));
  const recorded = Number(row.charged_tokens);
  // Before 2026 some requests were charged one token more.
  const off = row.recorded_on! >= '2026' ? 0 : 1;
  expect(Math.abs(recorded - charged)).toBeLessThanOrEqual(off);
});
