import type { Answer } from '../../mocks/endpoint.ts';
import type { Gone, Sighting, Sink } from '../../mocks/observed.ts';
import { arrived } from '../../mocks/statistics.ts';
import { batchOf, createWaits, type WaitCounts } from '../../mocks/waits.ts';
import { createHistogram } from '../model/histogram.ts';
import type { Cell, Percentiles } from '../model/sweep.ts';

/** What a command asked of the providers, as they saw it. Times are real. */
export type Traffic = {
  /** Arrival of the first embeddings request or upsert and the last answer, on the monotonic clock; NaN without any. */
  firstMs: number;
  lastMs: number;
  /** Longest time between the two without any request under way. */
  longestGapMs: number;
  openai: Cell['openai'];
  qdrant: Omit<Cell['qdrant'], 'pointsPerSecond'>;
  /** Statuses, other than 429, of the answers that were no success. */
  failures: { openai: number[]; qdrant: number[] };
  /** Points of upserts that were answered well, written again ones included. */
  pointsWritten: number;
  /** Worker-seconds in each state. `backoff` holds refused requests and the waits until their retries. */
  spentSeconds: { embed: number; qdrant: number; backoff: number };
  waits: WaitCounts;
  /** Milliseconds that the one who answered worked on a request himself. */
  ownMs: Percentiles;
};

export type Meter = { sink: Sink; gone: Gone; traffic: () => Traffic };

type Request = { kind: 'embeddings' | 'upsert'; answer: Answer; nowMs: number; endMs: number };
type Limit = 'rpm' | 'tpm' | 'rpd';

const limits: readonly string[] = ['rpm', 'tpm', 'rpd'] satisfies Limit[];

/** Measures one run of a command by the requests it makes; the same for the mocks and for a pass-through. */
export function createMeter(): Meter {
  const requests: Request[] = [];
  const byAnswer = new WeakMap<Answer, Request>();
  const left = new Set<Request>();
  const waits = createWaits();
  // When each refused batch had its answer. Unlike the waits it needs no hint: a client that was told
  // nothing waits as well.
  const refused = new Map<string | number, number>();
  const own = createHistogram();
  let waitedMs = 0;

  const sink = (sighting: Sighting): void => {
    const { answer, nowMs } = sighting;
    const { about, status, delayMs = 0 } = answer;
    waits.add(sighting, 1);
    if (about?.kind !== 'embeddings' && about?.kind !== 'upsert') return;
    own.add(Math.round(sighting.ownMs * 1_000));
    const request = { kind: about.kind, answer, nowMs, endMs: nowMs + delayMs };
    requests.push(request);
    byAnswer.set(answer, request);
    if (refused.size === 0 && status !== 429) return;
    const batch = batchOf(sighting, about.kind);
    const sinceMs = refused.get(batch);
    if (sinceMs !== undefined) waitedMs += Math.max(0, nowMs - sinceMs);
    refused.delete(batch);
    if (status === 429) refused.set(batch, request.endMs);
  };

  return {
    sink,
    gone(answer, nowMs) {
      const request = byAnswer.get(answer);
      if (!request) return;
      request.endMs = nowMs;
      left.add(request);
    },
    traffic() {
      const embedTimes = createHistogram();
      const upsertTimes = createHistogram();
      const failures = { openai: new Set<number>(), qdrant: new Set<number>() };
      const rateLimited = { rpm: 0, tpm: 0, rpd: 0 };
      const spentMs = { embed: 0, qdrant: 0, backoff: waitedMs };
      const seen = { embeds: 0, embedded: 0, tokens: 0, upserts: 0, upserted: 0, timeouts: 0 };
      let [points, firstMs, lastMs, limited] = [0, Number.NaN, Number.NaN, 0];
      for (const request of requests) {
        const { kind, answer, nowMs, endMs } = request;
        const tookMs = endMs - nowMs;
        const good = arrived(answer) && !left.has(request);
        if (!good && !left.has(request) && answer.status !== 429)
          failures[kind === 'upsert' ? 'qdrant' : 'openai'].add(answer.status);
        firstMs = Math.min(nowMs, Number.isNaN(firstMs) ? nowMs : firstMs);
        lastMs = Math.max(endMs, Number.isNaN(lastMs) ? endMs : lastMs);
        if (kind === 'upsert') {
          seen.upserts++;
          if (good) seen.upserted++;
          else if (left.has(request)) seen.timeouts++;
          points += good ? (answer.about?.points ?? 0) : 0;
          spentMs.qdrant += tookMs;
          upsertTimes.add(Math.round(tookMs * 1_000));
          continue;
        }
        seen.embeds++;
        const refusedBy = answer.status === 429 ? (answer.about?.refusedBy ?? '') : '';
        if (limits.includes(refusedBy)) {
          rateLimited[refusedBy as Limit]++;
          limited++;
        }
        if (answer.status === 429) {
          spentMs.backoff += tookMs;
          continue;
        }
        if (good) seen.embedded++;
        seen.tokens += answer.about?.tokens ?? 0;
        spentMs.embed += tookMs;
        embedTimes.add(Math.round(tookMs * 1_000));
      }
      return {
        firstMs,
        lastMs,
        longestGapMs: longestGap(requests),
        openai: {
          requests: seen.embeds,
          succeeded: seen.embedded,
          rateLimited,
          errors: seen.embeds - seen.embedded - limited,
          chargedTokens: seen.tokens,
          attemptsPerSuccess: seen.embedded > 0 ? seen.embeds / seen.embedded : 0,
          latencyMs: embedTimes.percentilesMs(),
        },
        qdrant: {
          requests: seen.upserts,
          succeeded: seen.upserted,
          timeouts: seen.timeouts,
          errors: seen.upserts - seen.upserted - seen.timeouts,
          latencyMs: upsertTimes.percentilesMs(),
        },
        failures: { openai: [...failures.openai], qdrant: [...failures.qdrant] },
        pointsWritten: points,
        spentSeconds: {
          embed: spentMs.embed / 1e3,
          qdrant: spentMs.qdrant / 1e3,
          backoff: spentMs.backoff / 1e3,
        },
        waits: waits.counts(),
        ownMs: own.percentilesMs(),
      };
    },
  };
}

/** Milliseconds of the longest time between the first request and the last answer without a request under way. */
function longestGap(requests: Request[]): number {
  let [longest, busyUntilMs] = [0, Number.POSITIVE_INFINITY];
  for (const { nowMs, endMs } of requests.toSorted((a, b) => a.nowMs - b.nowMs)) {
    longest = Math.max(longest, nowMs - busyUntilMs);
    busyUntilMs = Number.isFinite(busyUntilMs) ? Math.max(busyUntilMs, endMs) : endMs;
  }
  return longest;
}
