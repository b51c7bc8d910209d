import type { Lab } from '../../src/model/lab.ts';
import { createWorkload } from '../../src/model/workload.ts';
import { type Answer, jsonAnswer, type MockRequest, readJson, type Service } from '../endpoint.ts';
import type { Run, Runs } from '../runs.ts';

const failed = (status: number, error: string): Answer => jsonAnswer(status, { error });

/**
 * The source of records over HTTP, and the machine that the workers run on: reads wait for one of the
 * pool's connections, and the answer says how long the records' compute will take on the host's cores.
 *
 * Records are generated from the seed. A real MySQL takes their place behind `recordOf`.
 */
export function recordsService(
  runs: Runs,
  version: string,
  checkLab: (given: unknown) => Lab,
): Service {
  const runOf = ({ headers }: MockRequest): Run | undefined => {
    const key = /^Bearer (?:sk-)?kneepoint-(.+)$/.exec(String(headers.authorization ?? ''))?.[1];
    return key === undefined ? undefined : (runs.openai(key) ?? runs.qdrant(key));
  };

  const recordOf = ({ lab, text }: Run, record: number) => {
    let body = '';
    for (let chunk = 0; chunk < lab.workload.chunksPerRecord; chunk++) body += text(record, chunk);
    return { id: record + 1, title: `Record ${record + 1}`, body };
  };

  const readClaim = (request: MockRequest, nowMs: number): Answer => {
    const run = runOf(request);
    if (!run)
      return failed(401, 'no profile has this key; use kneepoint-lab or kneepoint-lab-<id>');
    const workload = createWorkload(run.lab.workload);
    const index = /^\d+$/.test(request.params.index!) ? Number(request.params.index) : Number.NaN;
    if (!Number.isInteger(index) || index < 0 || index >= workload.claims)
      return failed(404, `claim ${request.params.index}: there are ${workload.claims}, from 0`);
    const claim = workload.claim(index);
    const nowUs = run.clockUs(nowMs);
    const { waitUs, doneUs } = run.host.read(nowUs);
    const computeUs = run.host.compute(claim.records, doneUs) - doneUs;
    run.seen.reads++;
    const records = Array.from({ length: claim.records }, (_, at) =>
      recordOf(run, claim.firstRecord + at),
    );
    return {
      ...jsonAnswer(200, { records, poolWaitMs: waitUs / 1_000, computeMs: computeUs / 1_000 }),
      delayMs: (doneUs - nowUs) / 1_000 / run.speed,
    };
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

  return {
    endpoints: [
      {
        method: 'GET',
        path: '/',
        answer: () => jsonAnswer(200, { title: 'kneepoint records', version }),
      },
      { method: 'GET', path: '/healthz', answer: () => jsonAnswer(200, { status: 'ok' }) },
      { method: 'PUT', path: '/profiles/:id', answer: register },
      { method: 'GET', path: '/claims/:index', answer: readClaim },
    ],
    bodyLimitBytes: 1024 * 1024,
    notFound: (method, path) => failed(404, `no route ${method} ${path}`),
    badJson: (message) => failed(400, message),
    tooLarge: (bytes) => failed(413, `${bytes} bytes are more than a lab needs`),
  };
}
