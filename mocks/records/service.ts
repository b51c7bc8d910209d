import type { Lab } from '../../src/model/lab.ts';
import { type Claim, createWorkload } from '../../src/model/workload.ts';
import { type Answer, jsonAnswer, type MockRequest, readJson, type Service } from '../endpoint.ts';
import type { HarnessWatch } from '../harness.ts';
import type { Run, Runs } from '../runs.ts';
import { recordMaker } from './record.ts';
import type { SourceRecord } from './source.ts';
import type { Sources } from './sources.ts';

const failed = (status: number, error: string): Answer => jsonAnswer(status, { error });

/**
 * The source of records over HTTP, and the machine that the workers run on: reads wait for one of the
 * pool's connections, and the answer says how long the records' compute will take on the host's cores.
 *
 * Records are generated from the seed, or come from `sources`: then the pool and its waits are real,
 * and only the compute is the model's.
 */
export function recordsService({
  runs,
  harness,
  version,
  checkLab,
  sources,
}: {
  runs: Runs;
  harness: Pick<HarnessWatch, 'of'>;
  version: string;
  checkLab: (given: unknown) => Lab;
  sources?: Sources | undefined;
}): Service {
  const runOf = ({ headers }: MockRequest): Run | undefined => {
    const key = /^Bearer (?:sk-)?kneepoint-(.+)$/.exec(String(headers.authorization ?? ''))?.[1];
    return key === undefined ? undefined : (runs.openai(key) ?? runs.qdrant(key));
  };

  /** The claim that a request asks for, or the answer that there is none. */
  const asked = (request: MockRequest): { run: Run; claim: Claim } | { refused: Answer } => {
    const run = runOf(request);
    if (!run)
      return {
        refused: failed(401, 'no profile has this key; use kneepoint-lab or kneepoint-lab-<id>'),
      };
    const workload = createWorkload(run.lab.workload);
    const { index: text } = request.params;
    const index = /^\d+$/.test(text!) ? Number(text) : Number.NaN;
    return Number.isInteger(index) && index < workload.claims
      ? { run, claim: workload.claim(index) }
      : { refused: failed(404, `claim ${text}: there are ${workload.claims}, from 0`) };
  };

  /** Microseconds are virtual, and counted from the run's beginning. */
  const answerOf = (
    run: Run,
    records: SourceRecord[],
    { nowUs, waitUs, doneUs }: { nowUs: number; waitUs: number; doneUs: number },
  ): Answer => {
    const computeUs = run.host.compute(records.length, doneUs) - doneUs;
    return {
      ...jsonAnswer(200, { records, poolWaitMs: waitUs / 1_000, computeMs: computeUs / 1_000 }),
      delayMs: (doneUs - nowUs) / 1_000 / run.speed,
    };
  };

  const generateClaim = (request: MockRequest, nowMs: number): Answer => {
    const found = asked(request);
    if ('refused' in found) return found.refused;
    const { run, claim } = found;
    const nowUs = run.clockUs(nowMs);
    const held = run.host.read(nowUs);
    run.seen.reads++;
    const recordOf = recordMaker(run.lab, run.text);
    const records = Array.from({ length: claim.records }, (_, at) =>
      recordOf(claim.firstRecord + at),
    );
    return answerOf(run, records, { nowUs, ...held });
  };

  const readClaim = async (from: Sources, request: MockRequest, nowMs: number): Promise<Answer> => {
    const found = asked(request);
    if ('refused' in found) return found.refused;
    const { run, claim } = found;
    const nowUs = run.clockUs(nowMs);
    run.seen.reads++;
    try {
      const given = await from.of(run).read(claim.firstRecord, claim.records);
      const waitUs = given.poolWaitMs * 1_000 * run.speed;
      const doneUs = nowUs + waitUs + given.heldMs * 1_000 * run.speed;
      // The lab counts records by their place: ids of a table may have gaps.
      const records = given.records.map((record, at) => ({
        ...record,
        id: claim.firstRecord + at + 1,
      }));
      return answerOf(run, records, { nowUs, waitUs, doneUs });
    } catch (error) {
      return failed(503, from.failed(error));
    }
  };

  const register = (request: MockRequest): Answer => {
    const { params } = request;
    const { lab, speed } = (readJson(request) ?? {}) as { lab?: unknown; speed?: unknown };
    if (typeof speed !== 'number' || !(speed > 0 && speed <= 1_000))
      return failed(400, `speed: must be over 0 and at most 1000, got ${JSON.stringify(speed)}`);
    try {
      const fresh = runs.register(params.id!, checkLab(lab), speed);
      return fresh
        ? jsonAnswer(200, { profile: `lab-${params.id}` })
        : failed(409, `profile lab-${params.id} has already been used; take a fresh id`);
    } catch (error) {
      return failed(400, (error as Error).message);
    }
  };

  /** Its connections are opened before the clock runs, as a pool's are before the work begins. */
  const registerWarm = async (from: Sources, request: MockRequest): Promise<Answer> => {
    const answer = register(request);
    const run = answer.status === 200 ? runs.openai(`lab-${request.params.id}`) : undefined;
    try {
      if (run) await from.of(run).warm();
      return answer;
    } catch (error) {
      return failed(503, from.failed(error));
    }
  };

  /** What a load generator asks at the end: were the mocks themselves in time? */
  const health = ({ params }: MockRequest): Answer => {
    const seen = harness.of(`lab-${params.id}`);
    return seen
      ? jsonAnswer(200, seen)
      : failed(404, `profile lab-${params.id} has not been used yet`);
  };

  const registerRoute = { method: 'PUT', path: '/profiles/:id' } as const;
  const claimRoute = { method: 'GET', path: '/claims/:index' } as const;
  return {
    endpoints: [
      {
        method: 'GET',
        path: '/',
        answer: () => jsonAnswer(200, { title: 'kneepoint records', version }),
      },
      { method: 'GET', path: '/profiles/:id/harness', answer: health },
      { method: 'GET', path: '/healthz', answer: () => jsonAnswer(200, { status: 'ok' }) },
      ...(sources
        ? []
        : [
            { ...registerRoute, answer: register },
            { ...claimRoute, answer: generateClaim },
          ]),
    ],
    later: !sources
      ? []
      : [
          { ...registerRoute, answer: (request) => registerWarm(sources, request) },
          { ...claimRoute, answer: (request, nowMs) => readClaim(sources, request, nowMs) },
        ],
    bodyLimitBytes: 1024 * 1024,
    notFound: (method, path) => failed(404, `no route ${method} ${path}`),
    badJson: (message) => failed(400, message),
    tooLarge: (bytes) => failed(413, `${bytes} bytes are more than a lab needs`),
  };
}
