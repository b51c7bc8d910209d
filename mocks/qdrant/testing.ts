/** What the tests of the Qdrant mock share: a service without a socket, and what its answers say. */
import { completeLab, type Lab } from '../../src/model/lab.ts';
import type { Answer, MockRequest } from '../endpoint.ts';
import { createRuns, type Run } from '../runs.ts';
import { qdrantService } from './service.ts';

export type Asked = {
  body?: unknown;
  /** In the place of `body`, as it is. */
  text?: string;
  headers?: Record<string, string>;
  /** Real milliseconds of the service's clock; 0 unless told. */
  atMs?: number;
};

type GivenLab = Parameters<typeof completeLab>[0];

/** A service with the key `lab`, whose upserts take no time unless the lab says otherwise. */
export const startQdrant = (given: GivenLab = {}, speed = 1) => {
  const lab: Lab = completeLab({ qdrant: { latency: { fixed: 0 } }, ...given });
  const runs = createRuns(lab, speed);
  const service = qdrantService((key) => runs.qdrant(key));
  const run: Run = runs.qdrant('lab')!;

  /** `path` is a whole one, such as `/collections/docs/points?wait=true`. */
  const ask = (method: string, path: string, asked: Asked = {}): Answer => {
    const url = new URL(path, 'http://qdrant');
    const parts = url.pathname.split('/');
    const paramsOf = (pattern: string): Record<string, string> | undefined => {
      const wanted = pattern.split('/');
      const fits = wanted.every((part, at) => part.startsWith(':') || part === parts[at]);
      if (!fits || wanted.length !== parts.length) return undefined;
      return Object.fromEntries(
        wanted.flatMap((part, at) =>
          part.startsWith(':') ? [[part.slice(1), decodeURIComponent(parts[at]!)]] : [],
        ),
      );
    };
    // A route with fewer parameters goes before one with more, as in the router.
    const endpoint = service.endpoints
      .filter((e) => e.method === method && paramsOf(e.path))
      .sort((a, b) => a.path.split(':').length - b.path.split(':').length)[0];
    if (endpoint === undefined) return service.notFound(method, path);
    const text = asked.text ?? (asked.body === undefined ? '' : JSON.stringify(asked.body));
    const request: MockRequest = {
      method,
      url: path,
      headers: asked.headers ?? { 'api-key': 'lab' },
      params: paramsOf(endpoint.path)!,
      query: Object.fromEntries(url.searchParams),
      bytes: Buffer.from(text),
    };
    return endpoint.answer(request, asked.atMs ?? 0);
  };
  return { ask, run, service };
};

export type Ask = ReturnType<typeof startQdrant>['ask'];

/** The same with a collection `docs` of one unnamed vector. */
export const startDocs = (given: GivenLab = {}, more: object = {}, speed = 1) => {
  const started = startQdrant(given, speed);
  const body = { vectors: { size: 2, distance: 'Dot' }, ...more };
  const { status } = started.ask('PUT', '/collections/docs', { body });
  if (status !== 200) throw new Error(`collection answered ${status}`);
  return started;
};

/** So many points of two numbers from `first` on, each with its number as payload `n`. */
export const somePoints = (count: number, first = 0) =>
  Array.from({ length: count }, (_, at) => ({
    id: first + at,
    vector: [first + at, 1],
    payload: { n: first + at },
  }));

export const resultOf = ({ status, body }: Answer) => {
  if (status !== 200) throw new Error(`${status} ${body}`);
  return JSON.parse(body).result;
};

/** Status and text of a refusal. */
export const refusalOf = ({ status, body }: Answer): [number, string] => [
  status,
  JSON.parse(body).status.error,
];

/** A body with its processing time set to nothing. */
export const timeless = ({ body }: Answer): string => body.replace(/"time":[\d.e-]+/, '"time":0');
