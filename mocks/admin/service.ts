import type { Lab } from '../../src/model/lab.ts';
import { type Answer, jsonAnswer, type MockRequest, readJson, type Service } from '../endpoint.ts';
import type { Observations } from '../observations.ts';
import type { Runs } from '../runs.ts';
import { changeProfile } from './change.ts';
import { gate } from './gate.ts';
import type { Metrics } from './metrics.ts';
import { openapi } from './openapi.ts';
import { profileView, summaries } from './profiles.ts';

export type AdminOptions = {
  runs: Runs;
  observations: Observations;
  metrics: Metrics;
  token: string;
  /** Where the port listens. */
  host: string;
  version: string;
  checkLab: (given: unknown) => Lab;
};

const failed = (status: number, error: string): Answer => jsonAnswer(status, { error });

const mostEntries = 1_000;

/** The parameter as a whole number; the fallback where it is absent, undefined where it is none. */
function wholeIn<T>(text: string | undefined, most: number, fallback: T): number | T | undefined {
  if (text === undefined) return fallback;
  return /^\d{1,15}$/.test(text) && Number(text) <= most ? Number(text) : undefined;
}

/** What the mocks know of themselves and how they are changed while they run. Always behind a token, on a port of its own. */
export function adminService(options: AdminOptions): Service {
  const { runs, observations, metrics, token, host, version, checkLab } = options;
  const { journal } = observations;
  const description = JSON.stringify(openapi(version));
  const noProfile = (name: string) => failed(404, `no profile ${name} has begun`);

  const show = (name: string, nowMs: number): Answer => {
    const view = profileView(runs, observations, name, nowMs);
    return view ? jsonAnswer(200, view) : noProfile(name);
  };
  const change = (request: MockRequest, nowMs: number): Answer => {
    const name = request.params.name!;
    const given = readJson(request);
    try {
      return changeProfile(runs, checkLab, name, given, nowMs)
        ? show(name, nowMs)
        : failed(404, `no tier, plan or lab is named ${name}`);
    } catch (error) {
      return failed(400, (error as Error).message);
    }
  };
  const entries = ({ query }: MockRequest): Answer => {
    const limit = wholeIn(query.limit, mostEntries, 100);
    if (limit === undefined)
      return failed(400, `limit: must be a whole number from 0 to ${mostEntries}`);
    const since = wholeIn(query.since, Number.MAX_SAFE_INTEGER, null);
    if (since === undefined) return failed(400, 'since: must be the number of an entry');
    const chosen = journal.entries({
      limit,
      ...(query.profile === undefined ? {} : { run: query.profile }),
      ...(since === null ? {} : { since }),
    });
    const { entries: kept, last } = journal.size();
    return jsonAnswer(200, { entries: chosen, kept, dropped: last - kept, last });
  };

  return {
    guard: gate(token, host),
    endpoints: [
      {
        method: 'GET',
        path: '/healthz',
        answer: () => jsonAnswer(200, { status: 'ok', version }),
      },
      {
        method: 'GET',
        path: '/openapi.json',
        answer: () => ({ status: 200, body: description }),
      },
      {
        method: 'GET',
        path: '/profiles',
        answer: () => jsonAnswer(200, { profiles: summaries(runs) }),
      },
      {
        method: 'GET',
        path: '/profiles/:name',
        answer: ({ params }, nowMs) => show(params.name!, nowMs),
      },
      { method: 'PATCH', path: '/profiles/:name', answer: change },
      {
        method: 'POST',
        path: '/profiles/:name/reset',
        answer: ({ params }) =>
          runs.reset(params.name!) ? jsonAnswer(200, { status: 'reset' }) : noProfile(params.name!),
      },
      {
        method: 'POST',
        path: '/reset',
        answer: () => {
          runs.reset();
          return jsonAnswer(200, { status: 'reset' });
        },
      },
      { method: 'GET', path: '/journal', answer: entries },
      {
        method: 'DELETE',
        path: '/journal',
        answer: () => {
          journal.clear();
          return jsonAnswer(200, { status: 'cleared' });
        },
      },
    ],
    later: [
      {
        method: 'GET',
        path: '/metrics',
        answer: async (_request, nowMs) => ({
          status: 200,
          headers: { 'content-type': metrics.contentType },
          body: await metrics.text(nowMs),
        }),
      },
    ],
    bodyLimitBytes: 64 * 1024,
    notFound: (method, path) => failed(404, `no route ${method} ${path}`),
    badJson: (message) => failed(400, message),
    tooLarge: () => failed(413, 'the body is too large'),
  };
}
