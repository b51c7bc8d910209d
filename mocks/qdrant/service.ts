import { isInstead } from '../../src/model/faults.ts';
import {
  type About,
  type Answer,
  BadJson,
  type Endpoint,
  type MockRequest,
  type Service,
} from '../endpoint.ts';
import type { Run } from '../runs.ts';
import { struck } from '../struck.ts';
import {
  BadGateway,
  badJson,
  bareJson,
  bodyLimitBytes,
  failed,
  formatError,
  missingKey,
  ok,
  plainText,
  proxyError,
  RateRefusal,
  Refusal,
  suspended,
  tooLarge,
  unknownKey,
  unknownRoute,
} from './answers.ts';
import { type Call, type KeyedRoute, timeoutOf } from './call.ts';
import { faultOf, insteadOf, isUpsert } from './faults.ts';
import { upsertState } from './optimizer.ts';
import { createRestStatistics } from './rest-statistics.ts';
import { aliasRoutes } from './routes/aliases.ts';
import { changeRoutes } from './routes/changes.ts';
import { clusterRoutes } from './routes/cluster.ts';
import { collectionRoutes } from './routes/collections.ts';
import { indexRoutes } from './routes/indexes.ts';
import { metricsRoute } from './routes/metrics.ts';
import { pointRoutes } from './routes/points.ts';
import { searchRoutes } from './routes/search.ts';

const header = (request: MockRequest, name: string): string | undefined => {
  const value = request.headers[name];
  return Array.isArray(value) ? value[0] : value;
};

const apiKeyOf = (request: MockRequest): string | undefined =>
  header(request, 'api-key') ?? /^Bearer (.*)$/.exec(header(request, 'authorization') ?? '')?.[1];

/** Seconds since `startedMs` on the performance clock, to the nanosecond. */
const secondsSince = (startedMs: number): number =>
  Math.round((performance.now() - startedMs) * 1e6) / 1e9;

/** The routes anyone may ask. */
const openEndpoints: Endpoint[] = [
  {
    method: 'GET',
    path: '/',
    answer: () =>
      bareJson({ title: 'qdrant - vector search engine', version: '1.19.0', commit: '74f3e85' }),
  },
  { method: 'GET', path: '/healthz', answer: () => plainText(200, 'healthz check passed') },
  { method: 'GET', path: '/livez', answer: () => plainText(200, 'healthz check passed') },
  { method: 'GET', path: '/readyz', answer: () => plainText(200, 'all shards are ready') },
];

/** What is told of a refusal by a rate limit. */
const rateAbout = ({ kind, retrySeconds }: RateRefusal, { speed }: Run): Partial<About> => ({
  refusedBy: `${kind}-rate`,
  ...(retrySeconds === undefined ? {} : { hintMs: retrySeconds * speed * 1_000 }),
});

type Answered = { answer: Answer; about?: Partial<About> };

/** The answer to what a route threw. */
const answerToError = (error: unknown, run: Run, seconds: number): Answered => {
  if (error instanceof RateRefusal)
    return { answer: failed(error, seconds), about: rateAbout(error, run) };
  if (error instanceof Refusal) return { answer: failed(error, seconds) };
  if (error instanceof BadGateway) return { answer: proxyError(502) };
  if (error instanceof BadJson) return { answer: badJson(error.message) };
  // The stack is used up: a body that nests too deep, which the server's parser refuses at 128 levels.
  if (error instanceof RangeError)
    return { answer: failed(formatError('recursion limit exceeded at line 1 column 128'), 0) };
  throw error;
};

/** Runs a route and puts its outcome, or its refusal, into the envelope. */
const answerOf = ({ run: runRoute }: KeyedRoute, call: Call): Answered => {
  const startedMs = performance.now();
  try {
    if (upsertState(call).restarting) throw new BadGateway();
    timeoutOf(call);
    const outcome = runRoute(call);
    if ('status' in outcome) return { answer: outcome };
    const { result, delayMs, points } = outcome;
    const about = points === undefined ? {} : { points };
    if (delayMs === undefined) return { answer: ok(result, secondsSince(startedMs)), about };
    // The server was at work during the delay too, and says so.
    return { answer: { ...ok(result, delayMs / 1000), delayMs }, about };
  } catch (error) {
    return answerToError(error, call.run, secondsSince(startedMs));
  }
};

/** The answer of a route as the lab's faults leave it. */
const faultedAnswer = (route: KeyedRoute, call: Call): Answered => {
  const { run } = call;
  if (run.lab.qdrant.suspendedStatus !== 0)
    return { answer: suspended(run.lab.qdrant.suspendedStatus) };
  const fault = faultOf(call, route);
  if (fault === undefined) return answerOf(route, call);
  const about = { fault: fault.kind };
  if (isInstead(fault)) {
    const answer = insteadOf(call, route, fault);
    const seconds = answer.headers?.['retry-after'];
    const hint = seconds === undefined ? {} : { hintMs: Number(seconds) * run.speed * 1_000 };
    return { answer, about: { ...about, ...hint } };
  }
  const answered = answerOf(route, call);
  return {
    answer: struck(answered.answer, fault, run.speed),
    about: { ...answered.about, ...about },
  };
};

/**
 * Qdrant's REST API, version 1.19.0, as far as an ingestion pipeline uses it, over points that are
 * really stored. `runOf` answers undefined for a key that does not exist.
 */
export function qdrantService(runOf: (key: string) => Run | undefined): Service {
  const statistics = createRestStatistics();
  const keyedRoutes: KeyedRoute[] = [
    ...collectionRoutes,
    ...aliasRoutes,
    ...changeRoutes,
    ...pointRoutes,
    ...searchRoutes,
    ...indexRoutes,
    ...clusterRoutes,
    metricsRoute(statistics),
  ];
  const keyed = (route: KeyedRoute): Endpoint['answer'] => {
    const kind = isUpsert(route) ? 'upsert' : 'other';
    return (request, nowMs) => {
      const apiKey = apiKeyOf(request);
      if (apiKey === undefined) return missingKey();
      const run = runOf(apiKey);
      if (run === undefined) return unknownKey();
      const startedMs = performance.now();
      const { answer, about } = faultedAnswer(route, { run, request, nowMs });
      const seconds =
        answer.delayMs === undefined ? secondsSince(startedMs) : answer.delayMs / 1_000;
      statistics.note(run, route, answer.status, seconds);
      return { ...answer, about: { run: run.name, kind, ...about } };
    };
  };
  return {
    endpoints: [
      ...openEndpoints,
      ...keyedRoutes.map((route) => ({
        method: route.method,
        path: route.path,
        answer: keyed(route),
      })),
    ],
    bodyLimitBytes,
    notFound: unknownRoute,
    badJson,
    tooLarge,
  };
}
