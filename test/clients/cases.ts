import { expect } from 'vitest';
import type { ClientProfile, Hint } from '../../src/model/retry.ts';
import type { Reply, Visit } from './gate.ts';
import { waitsOf } from './gate.ts';

export type SdkProfile = Exclude<ClientProfile, 'none' | 'patient'>;

/** The least and the most milliseconds that a wait may be, by the client's formula. */
type Wait = readonly [from: number, to: number];

/** What a client does: the waits between its tries, and how it ends. `waits` is still waiting when asked. */
type Expected = { waits: readonly Wait[]; end: 'ok' | 'error' | 'waiting' };

export type RetryCase = {
  name: string;
  replies: Reply[];
  /** The client's own timeout, where the case is about that. */
  timeoutMs?: number;
  /** The hint of all replies, where the model of the retry rules can be asked about them. */
  hint?: Hint;
  expected: (profile: SdkProfile) => Expected;
};

const isPython = (profile: SdkProfile) => profile.startsWith('openai-python');
const backoff: Wait[] = [
  [375, 500],
  [750, 1_000],
];
const givesUp: Expected = { waits: backoff, end: 'error' };
const recovers = (...waits: Wait[]): Expected => ({ waits, end: 'ok' });

/** What identifies an answer: clients have to hand all of it to whoever catches the error. */
export const refusal = {
  code: 'rate_limit_exceeded',
  type: 'tokens',
  message: 'Rate limit reached for text-embedding-3-small on tokens per min (TPM).',
  requestId: 'req_0123456789abcdef0123456789abcdef',
  limitTokens: '1000000',
};

const limited = (headers: Record<string, string> = {}, code = refusal.code): Reply => ({
  status: 429,
  headers: {
    'x-request-id': refusal.requestId,
    'x-ratelimit-limit-tokens': refusal.limitTokens,
    ...headers,
  },
  body: { error: { message: refusal.message, type: refusal.type, param: null, code } },
});
const times = (count: number, reply: Reply): Reply[] => Array.from({ length: count }, () => reply);

/** Every rule by which the official OpenAI clients wait, one case each. */
export const retryCases: RetryCase[] = [
  {
    name: 'ms-hint',
    // The precise header wins over the one in seconds.
    replies: [limited({ 'retry-after-ms': '300', 'retry-after': '1' })],
    hint: { retryAfterMs: 300, retryAfterSeconds: 1 },
    expected: () => recovers([300, 300]),
  },
  {
    name: 'seconds-hint',
    replies: times(2, limited({ 'retry-after': '1' })),
    hint: { retryAfterSeconds: 1 },
    expected: () => recovers([1_000, 1_000], [1_000, 1_000]),
  },
  { name: 'no-hint', replies: times(3, limited()), hint: {}, expected: () => givesUp },
  {
    name: 'hint-65',
    replies: times(3, limited({ 'retry-after': '65' })),
    hint: { retryAfterSeconds: 65 },
    expected: (profile) =>
      profile === 'openai-node-6' || profile === 'openai-python-3'
        ? { waits: [], end: 'waiting' }
        : givesUp,
  },
  {
    name: 'hint-121',
    replies: times(3, limited({ 'retry-after': '121' })),
    hint: { retryAfterSeconds: 121 },
    expected: (profile) => {
      if (profile === 'openai-node-6') return { waits: [], end: 'waiting' };
      return profile === 'openai-python-3' ? { waits: [], end: 'error' } : givesUp;
    },
  },
  {
    name: 'zero-hint',
    replies: times(3, limited({ 'retry-after-ms': '0' })),
    hint: { retryAfterMs: 0 },
    expected: (profile) =>
      isPython(profile)
        ? givesUp
        : {
            waits: [
              [0, 0],
              [0, 0],
            ],
            end: 'error',
          },
  },
  {
    name: 'quota',
    replies: times(3, limited({}, 'insufficient_quota')),
    hint: {},
    expected: () => givesUp,
  },
  {
    name: 'told-not-to',
    replies: [limited({ 'x-should-retry': 'false', 'retry-after': '1' })],
    expected: () => ({ waits: [], end: 'error' }),
  },
  {
    name: 'server-error',
    replies: [{ status: 503, body: { error: { message: 'The server is overloaded.' } } }],
    hint: {},
    expected: () => recovers([375, 500]),
  },
  {
    name: 'timeout',
    replies: times(3, 'stall'),
    // Long enough for the request to arrive even where the machine is busy.
    timeoutMs: 1_000,
    // From one arrival to the next: the timeout, which began a little before the arrival, comes on top.
    expected: () => ({
      waits: [
        [375, 1_500],
        [750, 2_000],
      ],
      end: 'error',
    }),
  },
];

/** How long a client has to be silent until it counts as waiting. */
export const patienceMs = 4_000;

/** A timer of the runtime may ring this much before its time. */
const timerMs = 2;
/** The machine may be busy. A client that comes late does no harm: what is forbidden is to come early. */
const noiseMs = 1_500;

/** Checks when a client came again: never before its formula says, nor long after. */
export function expectWaits(visits: Visit[], expected: readonly Wait[]): void {
  const waits = waitsOf(visits).map(Math.round);
  const about = `waited ${waits} ms, expected ${JSON.stringify(expected)}`;
  expect(visits.length, about).toBe(expected.length + 1);
  for (const [at, [from, to]] of expected.entries()) {
    expect(waits[at], about).toBeGreaterThanOrEqual(from - timerMs);
    expect(waits[at], about).toBeLessThanOrEqual(to + noiseMs);
  }
}

/** Checks that a client which sends one request after another came after each 429 when told, not before. */
export function expectHintsKept(visits: Visit[]): void {
  const waits = waitsOf(visits).map((waitMs, at) => ({ waitMs, ...visits[at]! }));
  const told = waits.filter(({ status }) => status === 429);
  expect(told.length).toBeGreaterThan(0);
  for (const { waitMs, hintMs } of told) {
    expect(hintMs).toBeGreaterThan(0);
    expect(waitMs).toBeGreaterThanOrEqual(hintMs! - timerMs);
    expect(waitMs).toBeLessThanOrEqual(hintMs! + noiseMs);
  }
}
