/** A lab as a k6 test: the whole matrix, cell after cell, with table and verdict at the end. */
import exec from 'k6/execution';
import http from 'k6/http';
import type { Options, Scenario } from 'k6/options';
import { analyze } from '../src/analyze/analyze.ts';
import { completeLab, type Lab } from '../src/model/lab.ts';
import type { Harness } from '../src/model/sweep.ts';
import type { TierName } from '../src/model/tiers.ts';
import { createWorkload } from '../src/model/workload.ts';
import { renderSweep } from '../src/report/terminal.ts';
import { infeasibleCell, memoryOf, simulateCell } from '../src/simulate/cell.ts';
import { cellOf, cellSpeed, counters, type K6Summary, trends } from './cells.ts';
import { refuse } from './refuse.ts';
import { qdrantIsReal, qdrantOf, urls } from './urls.ts';
import { counter, createVu } from './vu.ts';

/** How well the mocks kept time for a cell, as they say. */
type Health = Pick<Harness, 'eventLoopDelayMs' | 'mockWorkMs'>;

function tellHealth({ eventLoopDelayMs: loop, mockWorkMs: work }: Health, workers: string): void {
  counter.kp_loop_mean.add(loop.mean, { workers });
  counter.kp_loop_p50.add(loop.p50, { workers });
  counter.kp_loop_p95.add(loop.p95, { workers });
  counter.kp_loop_p99.add(loop.p99, { workers });
  counter.kp_mock_p50.add(work.p50, { workers });
  counter.kp_mock_p95.add(work.p95, { workers });
  counter.kp_mock_p99.add(work.p99, { workers });
}

type SetupData = { run: string; speeds: Record<string, number> };

/** A whole number from the environment; k6 stops with the message where it is none. */
function wholeNumber(name: string, most: number): number | undefined {
  const text = __ENV[name];
  if (text === undefined || text === '') return undefined;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > most)
    refuse(`${name}: must be a whole number from 1 to ${most}, got ${text}`);
  return value;
}

/** The lab as `-e WORKERS= -e RECORDS= -e TIER= -e SPEED=` narrow it. */
export function narrowed(lab: Lab): Lab {
  const workers = wholeNumber('WORKERS', 1_000);
  const records = wholeNumber('RECORDS', 1_000_000);
  const speed = wholeNumber('SPEED', 1_000);
  const openai = __ENV.TIER
    ? { ...lab.openai, tier: __ENV.TIER as TierName, limits: {} }
    : lab.openai;
  return completeLab({
    ...lab,
    workers: workers ? [workers] : lab.workers,
    speed: speed ?? lab.speed,
    workload: { ...lab.workload, records: records ?? lab.workload.records },
    openai,
  });
}

/** Everything that a k6 script exports. */
export function matrix(given: Lab) {
  const lab = narrowed(given);
  const workload = createWorkload(lab.workload);
  const fits = (workers: number) => memoryOf(lab, workers).shareOfHost <= 1;
  const speeds: Record<number, number> = {};
  const scenarios: Record<string, Scenario> = {};
  let startSeconds = 0;
  // k6 runs this file once for the options and once for each VU: VUs are told their speed by setup.
  const counts = __VU === 0 ? lab.workers.filter(fits) : [];
  for (const workers of counts) {
    const { seconds } = simulateCell(lab, workers);
    const speed = cellSpeed(lab, seconds);
    const realSeconds = seconds / speed;
    speeds[workers] = speed;
    scenarios[`workers_${workers}`] = {
      executor: 'shared-iterations',
      exec: 'work',
      vus: Math.min(workers, workload.claims),
      iterations: workload.claims,
      maxDuration: `${Math.ceil(60 + 10 * realSeconds)}s`,
      startTime: `${startSeconds.toFixed(1)}s`,
      gracefulStop: '0s',
      env: { KNEEPOINT_CELL: String(workers) },
      tags: { workers: String(workers) },
    };
    startSeconds += 1.2 * realSeconds + 1;
  }
  const thresholds: Record<string, string[]> = { http_reqs: ['count>0'] };
  // An empty threshold makes k6 show the part of a metric that belongs to a cell.
  for (const workers of Object.keys(speeds))
    for (const name of [...counters, ...trends]) thresholds[`${name}{workers:${workers}}`] = [];

  const options: Options = {
    scenarios,
    thresholds,
    discardResponseBodies: true,
    summaryTrendStats: ['min', 'med', 'max', 'p(95)', 'p(99)', 'count'],
    setupTimeout: '30s',
    teardownTimeout: '30s',
  };

  const qdrant = (run: string, workers: number | string) => {
    const { collection, key } = qdrantOf(`lab-${run}-${workers}`);
    return {
      url: `${urls.qdrant}/collections/${collection}`,
      params: {
        headers: { 'content-type': 'application/json', 'api-key': key },
        responseType: 'text' as const,
      },
    };
  };

  function setup(): SetupData {
    const run = `${Date.now().toString(36)}${Math.floor(Math.random() * 1e6).toString(36)}`;
    // Workers would try again until their time is over. Any answer will do, a 401 too.
    if (http.get(`${urls.openai}/models`).status === 0)
      exec.test.abort(
        `no OpenAI at ${urls.openai}: start \`kneepoint mocks\`, or mend KNEEPOINT_OPENAI_URL`,
      );
    for (const [workers, speed] of Object.entries(speeds)) {
      const profile = http.put(
        `${urls.records}/profiles/${run}-${workers}`,
        JSON.stringify({ lab, speed }),
        { headers: { 'content-type': 'application/json' }, responseType: 'text' },
      );
      if (profile.status === 0)
        exec.test.abort(`no mocks at ${urls.records}: start them with \`kneepoint mocks\``);
      if (profile.status !== 200) exec.test.abort(`the mocks refuse the lab: ${profile.body}`);
      const { url, params } = qdrant(run, workers);
      const created = http.put(
        url,
        JSON.stringify({ vectors: { size: lab.workload.dimensions, distance: 'Cosine' } }),
        params,
      );
      if (created.status === 0)
        exec.test.abort(
          `no Qdrant at ${urls.qdrant}: start \`kneepoint mocks\`, or mend KNEEPOINT_QDRANT_URL`,
        );
      if (created.status !== 200) exec.test.abort(`Qdrant: no collection: ${created.body}`);
    }
    return { run, speeds };
  }

  let vu: ((index: number) => void) | undefined;
  let vuCell = '';
  function work({ run, speeds: given }: SetupData): void {
    const cell = __ENV.KNEEPOINT_CELL!;
    if (!vu || vuCell !== cell) {
      vu = createVu(lab, workload, given[cell]!, `lab-${run}-${cell}`);
      vuCell = cell;
    }
    vu(exec.scenario.iterationInTest);
  }

  function teardown({ run, speeds: given }: SetupData): void {
    for (const workers of Object.keys(given)) {
      const { url, params } = qdrant(run, workers);
      const counted = http.post(`${url}/points/count`, '{"exact":true}', params);
      if (qdrantIsReal) http.del(url, undefined, params);
      if (counted.status === 200) {
        const { result } = JSON.parse(String(counted.body)) as { result: { count: number } };
        counter.kp_points_stored.add(result.count, { workers });
      }
      const health = http.get(`${urls.records}/profiles/${run}-${workers}/harness`, {
        responseType: 'text',
      });
      if (health.status === 200) tellHealth(JSON.parse(String(health.body)) as Health, workers);
    }
  }

  function handleSummary(summary: K6Summary & { state: { isStdOutTTY: boolean } }) {
    const raw = __ENV.KNEEPOINT_SUMMARY;
    if (raw) return { [raw]: JSON.stringify({ summary, speeds }, null, 1) };
    try {
      const cells = lab.workers.map((workers) =>
        fits(workers)
          ? cellOf(lab, { workers, speed: speeds[workers]! }, workload.claims, summary)
          : infeasibleCell(lab, workers),
      );
      const provenance = { kneepoint: 'k6 script', node: 'none', labHash: '' };
      const sweep = analyze('k6', lab, cells, provenance);
      return { stdout: `${renderSweep(sweep, { colour: summary.state.isStdOutTTY })}\n` };
    } catch (error) {
      return { stderr: `no verdict: ${(error as Error).message}\n` };
    }
  }

  return { options, setup, work, teardown, handleSummary };
}
