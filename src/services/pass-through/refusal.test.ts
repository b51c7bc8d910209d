import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { goDuration } from '../../../mocks/openai/durations.ts';
import { rateLimited, slowDown, unpaid } from '../../../mocks/openai/errors.ts';
import { goDurationMs, hintMsOf, limitIn } from './refusal.ts';

const refusal = (name: 'rpm' | 'tpm' | 'rpd', waitUs: number) =>
  rateLimited(
    'text-embedding-3-small',
    { name, limit: 100, used: 100, requested: 1, waitUs },
    {},
    { tier: 'free', sharedLimit: '' },
  ).body;

describe('which limit', () => {
  test.each(['rpm', 'tpm', 'rpd'] as const)('%s by the words of its message', (name) => {
    expect(limitIn(refusal(name, 1e6))).toBe(name);
    expect(limitIn(refusal(name, Infinity))).toBe(name);
  });
  test('an account that cannot pay, whatever the code', () => {
    expect(limitIn(unpaid('insufficient_quota').body)).toBe('quota');
    expect(limitIn(unpaid('credit_balance_exhausted').body)).toBe('quota');
  });
  test('the ramp limit', () => expect(limitIn(slowDown({}).body)).toBe('slow_down'));
  test("Qdrant's", () => {
    const text = 'Rate limiting exceeded: Write rate limit exceeded: Operation requires 8 tokens';
    expect(limitIn(JSON.stringify({ status: { error: text } }))).toBe('write-rate');
  });
  test.each(['', 'null', '<html>Too Many Requests</html>', '{"error":"slow down"}'])(
    'none that is known: %s',
    (text) => expect(limitIn(text)).toBe('unknown'),
  );
  test('by its type, where a gateway has words of its own', () => {
    expect(limitIn('{"error":{"message":"too much","type":"tokens"}}')).toBe('tpm');
    expect(limitIn('{"error":{"message":"too much","type":"requests"}}')).toBe('rpm');
  });
});

describe('how long to wait', () => {
  const nowMs = Date.UTC(2026, 0, 1);
  test.each([
    [{ 'retry-after-ms': '512.5', 'retry-after': '9' }, 512.5],
    [{ 'retry-after': '9' }, 9_000],
    [{ 'retry-after': '0.5' }, 500],
    [{ 'retry-after-ms': '0' }, 0],
    [{ 'retry-after': 'Thu, 01 Jan 2026 00:00:07 GMT' }, 7_000],
    [{ 'retry-after': 'Wed, 31 Dec 2025 23:00:00 GMT' }, 0],
    [{ 'retry-after-ms': '', 'retry-after': 'soon' }, undefined],
    [{ 'retry-after': '-1' }, undefined],
    [{}, undefined],
  ])('%j', (headers, ms) => {
    expect(hintMsOf(headers, '', nowMs)).toBe(ms);
  });

  test('headers go before the text, and the text is read where there are none', () => {
    const text = refusal('tpm', 2_812_740);
    expect(hintMsOf({ 'retry-after': '3' }, text, nowMs)).toBe(3_000);
    expect(hintMsOf({}, text, nowMs)).toBe(2_812);
    expect(hintMsOf({}, refusal('tpm', Infinity), nowMs)).toBeUndefined();
  });

  test('every duration that the provider can print is read back to the millisecond', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 90_000_000 }), (ms) => {
        expect(goDurationMs(goDuration(ms))).toBe(ms);
      }),
    );
    for (const text of ['', '5', 's', '1x', '1m2']) expect(goDurationMs(text)).toBeUndefined();
  });
});
