import type { Fault } from '../../src/model/faults.ts';
import { contentKey } from '../../src/model/random.ts';
import { drawKeyOf } from '../draw-key.ts';
import type { Answer, MockRequest } from '../endpoint.ts';
import { failed, proxyError, RateRefusal, Refusal, unknownKey } from './answers.ts';
import { type Call, type KeyedRoute, nameOf } from './call.ts';

type Route = Pick<KeyedRoute, 'method' | 'path'>;

export const isUpsert = ({ method, path }: Route): boolean =>
  method === 'PUT' && path === '/collections/:name/points';

/** Names a read as the server does where it took too long; undefined for a write. */
const readNameOf = ({ method, path }: Route): string | undefined => {
  if (path.endsWith('/count')) return 'Count';
  if (path.endsWith('/scroll')) return 'Scroll';
  if (/\/(query|search)(\/batch)?$/.test(path)) return 'Search';
  const isRetrieve = method === 'POST' && path === '/collections/:name/points';
  return method === 'GET' || isRetrieve ? 'Retrieve' : undefined;
};

const latin = new TextDecoder('latin1');

/** So much of a body tells one request from another: an upsert's first id is within it. */
const tellingBytes = 256;

const contentOf = ({ method, url, bytes }: MockRequest) =>
  contentKey(`${method} ${url} ${latin.decode(bytes.subarray(0, tellingBytes))}`);

/** The lab's fault for this request, if any strikes. */
export const faultOf = ({ run, request, nowMs }: Call, route: Route): Fault | undefined => {
  if (run.lab.faults.length === 0) return undefined;
  const key = drawKeyOf(request, () => contentOf(request));
  const target = isUpsert(route) ? 'upsert' : 'qdrant';
  // Setting collections up does not start the run's clock, from which the faults count their time.
  const isTimed = route.path.startsWith('/collections/:name/points');
  const nowUs = isTimed ? run.clockUs(nowMs) : run.peekUs(nowMs);
  return run.faults.strike(target, 'qdrant', key, nowUs);
};

const shardsOf = (call: Call): number => {
  const { collections, aliases } = call.run.store;
  const name = nameOf(call);
  const count = collections.get(aliases.get(name) ?? name)?.settings.shard_number;
  return typeof count === 'number' ? count : 1;
};

const timeoutText = (call: Call, route: Route): string => {
  const read = readNameOf(route);
  if (read === undefined) {
    return `Timeout: Timeout error: Update operation timed out in 60.00 seconds on 1 out of ${shardsOf(call)} shards.`;
  }
  const seconds = call.request.query.timeout ?? 60;
  return `Timeout: Timeout error: Operation '${read}' timed out after ${seconds}s`;
};

/** A read finds no replica, a write no room on the disk: on one of several shards, where there are several. */
const internalText = (call: Call, route: Route): string => {
  if (readNameOf(route) !== undefined)
    return 'Service internal error: The replica set for shard 0 on peer 123 has no active replica';
  const full =
    'Service internal error: No space left on device: WAL buffer size exceeds available disk space';
  const shards = shardsOf(call);
  return shards > 1
    ? `1 out of ${shards} shards failed to apply operation. First error captured: ${full}`
    : full;
};

const texts: Record<number, string> = {
  403: 'Forbidden: Global manage access is required',
  405: 'Qdrant is running in standalone mode',
  507: 'Insufficient storage: Disk usage is at 91% of total capacity, exceeding the configured limit of 90%. Help: Reduce disk usage (e.g. delete points or drop collections), or raise `max_disk_usage_percent` in the global quota config.',
};

const refusalOf = (call: Call, route: Route, { status, retryAfterSeconds }: Fault): Refusal => {
  if (status === 429) {
    const kind = readNameOf(route) === undefined ? 'write' : 'read';
    if (retryAfterSeconds === undefined)
      return new RateRefusal(
        kind,
        ', request larger than rate limiter capacity, please try to split your request',
      );
    const seconds = Math.ceil(retryAfterSeconds / call.run.speed);
    return new RateRefusal(
      kind,
      `: Operation requires 1 tokens but only 0.0 were available. Retry after ${seconds}s`,
      seconds,
    );
  }
  if (status === 408) return new Refusal(status, timeoutText(call, route));
  if (status === 404)
    return new Refusal(status, `Not found: Collection \`${nameOf(call)}\` doesn't exist!`);
  if (status === 500) return new Refusal(status, internalText(call, route));
  const prefix = status >= 500 ? 'Service internal error' : 'Bad request';
  return new Refusal(status, texts[status] ?? `${prefix}: injected by the lab`);
};

/** A fault that answers instead of the service, in the words of the server or of a proxy before it. */
export const insteadOf = (call: Call, route: Route, fault: Fault): Answer => {
  const { status } = fault;
  if (status === 401) return unknownKey();
  if ([413, 502, 503, 504].includes(status)) return proxyError(status);
  return failed(refusalOf(call, route, fault), 0);
};
