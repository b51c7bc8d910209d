import { expect, test } from 'vitest';
import type { About, Answer } from '../../mocks/endpoint.ts';
import type { Sighting } from '../../mocks/observed.ts';
import { createMeter } from './meter.ts';

const sighting = (
  kind: 'embeddings' | 'upsert',
  nowMs: number,
  given: Omit<Partial<Answer>, 'about'> & { about?: Partial<About> },
  batch = 'a',
): Sighting => ({
  service: kind === 'upsert' ? 'qdrant' : 'openai',
  method: 'POST',
  path: '/',
  headers: {},
  bytes: new TextEncoder().encode(`{"input":["${batch}"]}`),
  answer: {
    status: 200,
    body: '',
    ...given,
    about: { run: 'lab-x', kind, ...given.about },
  },
  nowMs,
  ownMs: 0.1,
});

test('a worked timeline: a refusal, the wait after it, success, an upsert', () => {
  const { sink, traffic } = createMeter();
  // Refused at 1,000 for 50 ms, told to wait 700 ms; the same batch comes again at 1,800.
  sink(
    sighting('embeddings', 1_000, {
      status: 429,
      delayMs: 50,
      about: { refusedBy: 'tpm', hintMs: 700 },
    }),
  );
  sink(sighting('embeddings', 1_800, { delayMs: 380, about: { tokens: 4_000 } }));
  sink(sighting('upsert', 2_190, { delayMs: 120, about: { points: 8 } }));
  expect(traffic()).toMatchObject({
    firstMs: 1_000,
    lastMs: 2_310,
    openai: {
      requests: 2,
      succeeded: 1,
      rateLimited: { rpm: 0, tpm: 1, rpd: 0 },
      errors: 0,
      chargedTokens: 4_000,
      attemptsPerSuccess: 2,
      latencyMs: { p50: 380 },
    },
    qdrant: { requests: 1, succeeded: 1, timeouts: 0, errors: 0 },
    pointsWritten: 8,
    // 50 ms of refusal and 750 ms until the retry.
    spentSeconds: { embed: 0.38, qdrant: 0.12, backoff: 0.8 },
    waits: { obeyed: 1, early: 0 },
  });
});

test('waits after refusals that gave no hint count as backoff too, batch by batch', () => {
  const { sink, traffic } = createMeter();
  const refusal = { status: 429, delayMs: 0, about: { refusedBy: 'rpm' } };
  sink(sighting('embeddings', 0, refusal, 'a'));
  sink(sighting('embeddings', 10, refusal, 'b'));
  sink(sighting('embeddings', 500, { delayMs: 100 }, 'b'));
  sink(sighting('embeddings', 1_000, { delayMs: 100 }, 'a'));
  expect(traffic().spentSeconds).toEqual({ embed: 0.2, qdrant: 0, backoff: 1.49 });
});

test('an upsert whose client left is a timeout, and took until then', () => {
  const { sink, gone, traffic } = createMeter();
  const late = sighting('upsert', 100, { delayMs: 9_000, about: { points: 8 } });
  sink(late);
  gone(late.answer, 5_100);
  expect(traffic()).toMatchObject({
    qdrant: { requests: 1, succeeded: 0, timeouts: 1, errors: 0, latencyMs: { p50: 5_000 } },
    pointsWritten: 0,
    lastMs: 5_100,
  });
});

test('a 429 that no rate limit gave is an error, and so is a fault', () => {
  const { sink, traffic } = createMeter();
  sink(sighting('embeddings', 0, { status: 429, about: { refusedBy: 'quota' } }));
  sink(sighting('embeddings', 0, { status: 500 }));
  sink(sighting('embeddings', 0, { about: { fault: 'reset' } }));
  sink(sighting('embeddings', 0, { about: { fault: 'latency' } }));
  expect(traffic().openai).toMatchObject({ requests: 4, succeeded: 1, errors: 3 });
});

test('nothing seen is nothing claimed', () => {
  const { firstMs, openai } = createMeter().traffic();
  expect(firstMs).toBeNaN();
  expect(openai.requests).toBe(0);
});

test('the longest time without a request: between two, not within one that overlaps', () => {
  const { sink, traffic } = createMeter();
  expect(traffic().longestGapMs).toBe(0);
  sink(sighting('embeddings', 1_000, { delayMs: 5_000 }));
  sink(sighting('embeddings', 1_100, { delayMs: 100 }));
  sink(sighting('upsert', 6_300, { delayMs: 100 }));
  sink(sighting('upsert', 6_500, { delayMs: 100 }));
  expect(traffic().longestGapMs).toBe(300);
});
