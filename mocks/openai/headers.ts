import type { Limiter } from '../../src/model/limiter.ts';
import { contentKey, philox4x32 } from '../../src/model/random.ts';
import { goDuration } from './durations.ts';

/** What the provider sends with every answer, those at its edge included [recorded]. */
const everywhere = {
  'access-control-allow-origin': '*',
  'access-control-expose-headers': 'X-Request-ID',
  'strict-transport-security': 'max-age=31536000; includeSubDomains; preload',
  'x-content-type-options': 'nosniff',
};

/** What it adds once it knows whose request it is. */
const known = {
  'openai-organization': 'kneepoint',
  'openai-project': 'proj_kneepoint0000000000000000',
  'openai-version': '2020-10-01',
};

export const edgeHeaders = (id: string): Record<string, string> => ({
  ...everywhere,
  'x-request-id': id,
});

export const accountHeaders = (id: string): Record<string, string> => ({
  ...everywhere,
  ...known,
  'x-request-id': id,
});

const hexBytes = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));
// A table: an id is made for every answer, and `toString(16)` takes three times as long.
const hex = (word: number) =>
  hexBytes[word >>> 24]! +
  hexBytes[(word >>> 16) & 0xff]! +
  hexBytes[(word >>> 8) & 0xff]! +
  hexBytes[word & 0xff]!;

/**
 * Request ids: `req_` and 32 hex digits that look random [recorded] and are the same when a run is
 * repeated. The generator maps one counter to one block, so that no id of a run comes twice.
 */
export function createRequestIds(name: string, seed: number): () => string {
  const key = contentKey(name);
  const words = new Uint32Array(4);
  let count = 0;
  return () => {
    words.fill(0);
    words[0] = ++count;
    philox4x32(words, key, seed >>> 0);
    return `req_${hex(words[0]!)}${hex(words[1]!)}${hex(words[2]!)}${hex(words[3]!)}`;
  };
}

/** The six headers of every request that the limiter saw; none where there is no such limit. */
export function limitHeaders(limiter: Limiter, nowUs: number): Record<string, string> {
  const headers: Record<string, string> = {};
  const standings = limiter.standings(nowUs);
  // Where a day's limit is in force, the request headers describe it [recorded on the free tier].
  const requests =
    standings.find(({ name }) => name === 'rpd') ?? standings.find(({ name }) => name === 'rpm');
  const tokens = standings.find(({ name }) => name === 'tpm');
  for (const [unit, standing] of [
    ['requests', requests],
    ['tokens', tokens],
  ] as const) {
    if (!standing) continue;
    headers[`x-ratelimit-limit-${unit}`] = String(standing.limit);
    headers[`x-ratelimit-remaining-${unit}`] = String(standing.remaining);
    headers[`x-ratelimit-reset-${unit}`] = goDuration(standing.fullAgainMs);
  }
  return headers;
}
