/** One VU is one worker: it asks the shared worker logic what it wants, and does it with HTTP. */

import { sleep } from 'k6';
import exec from 'k6/execution';
import http, { type RefinedResponse } from 'k6/http';
import { Counter, Trend } from 'k6/metrics';
import type { Lab } from '../src/model/lab.ts';
import { mostLateMs } from '../src/model/lateness.ts';
import type { Hint } from '../src/model/retry.ts';
import { createWorker, type Outcome, type Want } from '../src/model/worker.ts';
import type { Batch, Workload } from '../src/model/workload.ts';
import { type CounterName, counters, type TrendName, trends } from './cells.ts';
import { qdrantOf, urls } from './urls.ts';

type Text = RefinedResponse<'text'>;

const counter = {} as Record<CounterName, Counter>;
for (const name of counters) counter[name] = new Counter(name);
const trend = {} as Record<TrendName, Trend>;
for (const name of trends) trend[name] = new Trend(name, true);

export { counter };

// A 429 is an answer that we came to count. It must not hide among the failures.
http.setResponseCallback(http.expectedStatuses(200, 429));

/** Milliseconds since the test began, with a fraction that Date.now lacks. */
const nowMs = () => exec.instance.currentTestRunDuration;

/** k6 writes header names as Go does. */
const header = (response: Text, name: string): number | undefined => {
  const value = response.headers[name];
  return value === undefined ? undefined : Number(value);
};

/** Milliseconds of harness (loopback, timers) that are taken off a request at most. */
const mostHarnessMs = 3;

/** Whether k6 gave up, by its own code for it. */
const timedOut = (response: Text): boolean => response.error_code === 1050;

/** Each vector as the text it came in: parsing and printing 512 numbers would cost more than the request. */
function vectorTexts(body: string): string[] {
  const texts: string[] = [];
  for (let at = body.indexOf('"embedding":'); at >= 0; at = body.indexOf('"embedding":', at)) {
    const from = body.indexOf('[', at);
    at = body.indexOf(']', from) + 1;
    texts.push(body.slice(from, at));
  }
  return texts;
}

/** Does whole claims with so many workers at a speed, under a key of the cell's own. */
export function createVu(lab: Lab, workload: Workload, speed: number, profile: string) {
  const worker = createWorker(lab, workload);
  const { bytesPerChunk, chunksPerRecord, dimensions } = lab.workload;
  const json = { 'content-type': 'application/json' };
  const qdrant = qdrantOf(profile);
  const embedTimeoutMs = lab.openai.timeoutMs / speed;
  let claimFirstChunk = 0;
  let chunks: string[] = [];
  let vectors: string[] = [];
  let computeMs = 0;
  // The instant at which this worker would be if only requests and waits took time. The VU's own work
  // (parsing, building bodies) and late timers are taken off the next wait, as a real worker's
  // compute would contain them.
  let dueMs = 0;
  const lateMs = () => Math.max(0, nowMs() - dueMs);
  /** Headers of the harness: which draws to take, and by how much the request is late. */
  const about = (record: number, attempt: number, draw: number, late: number) => ({
    'x-kneepoint-record': String(record),
    'x-kneepoint-attempt': String(attempt),
    'x-kneepoint-draw': String(draw),
    'x-kneepoint-late-ms': late.toFixed(3),
  });
  const spend = (name: CounterName, realMs: number) => counter[name].add(realMs * speed);
  const waitFor = (realMs: number) => {
    dueMs += realMs;
    const leftMs = dueMs - nowMs();
    if (leftMs <= 0) return;
    sleep(leftMs / 1_000);
    trend.kp_timer_late.add(lateMs());
  };
  /**
   * Milliseconds that a request took without the harness: the mock says how long it meant to take. More
   * than a little over that can't be taken off and stays in the measurement, counted as slowness.
   */
  const tookMsOf = (response: Text, late: number): number => {
    const took = response.timings.duration;
    const meant = header(response, 'X-Kneepoint-Delay-Ms');
    if (meant === undefined) return took;
    const harness = took - Math.max(0, meant - Math.min(late, mostLateMs));
    const slow = Math.max(0, harness - mostHarnessMs);
    trend.kp_answer_late.add(Math.max(0, harness));
    spend('kp_slow_ms', slow);
    return meant + slow;
  };

  const read = (index: number): Outcome => {
    const late = lateMs();
    const response = http.get(`${urls.records}/claims/${index}`, {
      headers: { ...about(index, 0, 0, late), authorization: `Bearer kneepoint-${profile}` },
      tags: { name: 'read' },
      responseType: 'text',
    }) as Text;
    const tookMs = tookMsOf(response, late);
    dueMs += tookMs;
    spend('kp_read_ms', tookMs);
    if (response.status !== 200) {
      console.error(`records: status ${response.status} ${response.error} ${response.body}`);
      return 'failed';
    }
    const claim = JSON.parse(response.body!) as {
      records: { id: number; body: string }[];
      poolWaitMs: number;
      computeMs: number;
    };
    trend.kp_pool_wait.add(claim.poolWaitMs);
    computeMs = claim.computeMs;
    claimFirstChunk = (claim.records[0]!.id - 1) * chunksPerRecord;
    chunks = [];
    for (const { body } of claim.records)
      for (let at = 0; at < body.length; at += bytesPerChunk)
        chunks.push(body.slice(at, at + bytesPerChunk));
    return 'ok';
  };

  const compute = (): Outcome => {
    waitFor(computeMs / speed);
    spend('kp_compute_ms', computeMs / speed);
    return 'ok';
  };

  const embed = (batch: Batch, attempt: number): Outcome => {
    const at = batch.firstChunk - claimFirstChunk;
    const body = JSON.stringify({
      model: lab.openai.model,
      input: chunks.slice(at, at + batch.inputs),
      dimensions,
      encoding_format: 'float',
    });
    const late = lateMs();
    const response = http.post(`${urls.openai}/embeddings`, body, {
      headers: {
        ...json,
        ...about(batch.firstRecord, attempt, batch.index, late),
        authorization: `Bearer sk-kneepoint-${profile}`,
      },
      tags: { name: 'embeddings' },
      responseType: 'text',
      timeout: Math.max(1, embedTimeoutMs - late + mostHarnessMs / 2),
    }) as Text;
    const tookMs = timedOut(response) ? embedTimeoutMs : tookMsOf(response, late);
    dueMs += tookMs;
    counter.kp_embeds.add(1);
    const admitted = response.status === 200;
    spend(admitted ? 'kp_embed_ms' : 'kp_backoff_ms', tookMs);
    if (admitted) {
      counter.kp_tokens.add(batch.tokens);
      trend.kp_embed_latency.add(tookMs * speed);
      vectors = response.error ? [] : vectorTexts(response.body ?? '');
      if (vectors.length === batch.inputs) {
        counter.kp_embedded.add(1);
        return 'ok';
      }
    }
    if (response.status !== 429) {
      counter.kp_embed_errors.add(1);
      console.error(`embeddings: status ${response.status} ${response.error} ${response.body}`);
    }
    if (admitted) return timedOut(response) ? 'failed' : response.error ? 'cut' : 'garbled';
    if (response.status === 0) return 'failed';
    if (response.status < 500 && response.status !== 429) return 'refused';
    if (response.status === 429) {
      const limit = /\((RPM|TPM|RPD)\)/.exec(response.body!)?.[1];
      counter[limit === 'TPM' ? 'kp_tpm' : limit === 'RPD' ? 'kp_rpd' : 'kp_rpm'].add(1);
    }
    const limited: Hint = {};
    const ms = header(response, 'Retry-After-Ms');
    const seconds = header(response, 'Retry-After');
    if (ms !== undefined) limited.retryAfterMs = ms;
    if (seconds !== undefined) limited.retryAfterSeconds = seconds;
    return { limited };
  };

  const upsert = (batch: Batch, attempt: number): Outcome => {
    let points = '';
    for (let index = 0; index < batch.inputs; index++)
      points += `${index ? ',' : ''}{"id":${batch.firstChunk + index + 1},"vector":${vectors[index]},"payload":{"record":${Math.floor((batch.firstChunk + index) / chunksPerRecord) + 1}}}`;
    const timeoutMs = lab.qdrant.timeoutMs / speed;
    const late = lateMs();
    const response = http.put(
      `${urls.qdrant}/collections/${qdrant.collection}/points?wait=true`,
      `{"points":[${points}]}`,
      {
        headers: {
          ...json,
          ...about(batch.firstRecord, attempt, batch.index, late),
          'api-key': qdrant.key,
        },
        tags: { name: 'upsert' },
        responseType: 'text',
        timeout: Math.max(1, timeoutMs - late + mostHarnessMs / 2),
      },
    ) as Text;
    const tookMs = timedOut(response) ? timeoutMs : tookMsOf(response, late);
    dueMs += tookMs;
    counter.kp_upserts.add(1);
    spend('kp_qdrant_ms', tookMs);
    trend.kp_upsert_latency.add(tookMs * speed);
    if (response.status === 200 && !response.error) {
      counter.kp_upserted.add(1);
      return 'ok';
    }
    counter[timedOut(response) ? 'kp_timeouts' : 'kp_upsert_errors'].add(1);
    if (!timedOut(response))
      console.error(`upsert: status ${response.status} ${response.error} ${response.body}`);
    return 'failed';
  };

  const serve = (want: Want): Outcome => {
    switch (want.kind) {
      case 'read':
        return read(want.claim.index);
      case 'compute':
        return compute();
      case 'embed':
        return embed(want.batch, want.attempt);
      case 'upsert':
        return upsert(want.batch, want.attempt);
      case 'sleep': {
        const waitMs = want.ms / speed;
        waitFor(waitMs);
        spend('kp_backoff_ms', waitMs);
        return 'ok';
      }
      case 'done':
        return 'ok';
    }
  };

  return (index: number): void => {
    const beganMs = nowMs();
    trend.kp_clock.add(beganMs * speed);
    if (dueMs === 0) dueMs = beganMs;
    let want = worker.begin(workload.claim(index));
    while (want.kind !== 'done') want = worker.resume(serve(want));
    counter.kp_records_failed.add(want.recordsFailed);
    counter.kp_claims.add(1);
    const endedMs = nowMs();
    spend('kp_claim_ms', endedMs - beganMs);
    trend.kp_clock.add(endedMs * speed);
  };
}
