import { parse } from 'node:querystring';
import { type HttpHandler, HttpResponse, http } from 'msw/http';
import { type Answer, answerTo, type MockRequest, type Service } from './endpoint.ts';
import { findRoute } from './msw-route.ts';

/** The time that limits refill by and that answers wait for. */
export type Clock = {
  /** Milliseconds, never going back; where it starts does not matter. */
  nowMs: () => number;
  /** Resolves after so many milliseconds of this clock. A clock without it makes no answer wait. */
  sleep?: (ms: number) => Promise<void>;
};

/** A service behind the interceptor. */
export type Door = {
  /** Asked for each request, since a reset puts a new service in its place. */
  service: () => Service;
  /** The path below the service's root, without the query; undefined where the request is not its own. */
  pathOf: (url: URL, headers: Headers) => string | undefined;
  clock: Clock;
  /** Whether answers take the time that the lab says. */
  waits: boolean;
};

const noBytes = new Uint8Array();
/** Statuses that `Response` takes no body with. */
const bodiless = [204, 205, 304];

function responseOf(method: string, answer: Answer): Response {
  const { status, body, fault } = answer;
  // A connection can't be broken in here. One that only dribbles does arrive, and whole.
  if (fault && fault.kind !== 'dribble') return HttpResponse.error();
  const headers = new Headers(answer.headers);
  if (!headers.has('content-type')) headers.set('content-type', 'application/json');
  headers.set('content-length', String(Buffer.byteLength(body)));
  const empty = method === 'HEAD' || bodiless.includes(status);
  return new HttpResponse(empty ? null : body, { status, headers });
}

async function answerFor(
  door: Door,
  path: string,
  request: Request,
  arrivedMs: number,
): Promise<Answer> {
  const { method } = request;
  const service = door.service();
  const { search } = new URL(request.url);
  const headers = Object.fromEntries(request.headers);
  const url = path + search;
  const refusal = service.guard?.({ method, url, headers });
  if (refusal) return refusal;
  const route = findRoute(service.endpoints, method, path);
  // Over HTTP the body of a GET is not read either, and that of any other method is, even to nowhere.
  const reads = method !== 'GET' && method !== 'HEAD';
  const bytes = reads ? new Uint8Array(await request.arrayBuffer()) : noBytes;
  if (bytes.length > service.bodyLimitBytes)
    return service.tooLarge(Number(headers['content-length']));
  if (!route) return service.notFound(method, url);
  const asked: MockRequest = {
    method,
    url,
    headers,
    params: route.params,
    query: parse(search.slice(1)) as Record<string, string>,
    bytes,
  };
  return answerTo(service, route.endpoint, asked, arrivedMs);
}

/** One MSW handler for all routes of a service: MSW's own matching differs from a server's. */
export function intercept(door: Door): HttpHandler {
  const pathOf = ({ url, headers }: Request) => door.pathOf(new URL(url), headers);
  return http.all(
    ({ request }) => pathOf(request) !== undefined,
    async ({ request }) => {
      const { clock, waits } = door;
      const arrivedMs = clock.nowMs();
      const answer = await answerFor(door, pathOf(request)!, request, arrivedMs);
      const dribbledMs = answer.fault?.kind === 'dribble' ? answer.fault.ms : 0;
      const waitMs = arrivedMs + (answer.delayMs ?? 0) + dribbledMs - clock.nowMs();
      if (waits && waitMs > 0) await clock.sleep?.(waitMs);
      return responseOf(request.method, answer);
    },
  );
}
