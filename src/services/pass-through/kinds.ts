import type { About } from '../../../mocks/endpoint.ts';
import type { ServiceName } from '../../../mocks/observed.ts';
import { scanUpsert } from '../../../mocks/qdrant/scan.ts';

const pathOf = (url: string): string => url.split('?', 1)[0]!.replace(/\/+$/, '');

/** What a request is for, by method and path. */
export function kindOf(service: ServiceName, method: string, url: string): About['kind'] {
  const path = pathOf(url);
  if (service === 'openai')
    return method === 'POST' && path.endsWith('/embeddings') ? 'embeddings' : 'other';
  const below = /\/collections\/[^/]+\/points(\/.*)?$/.exec(path);
  if (!below) return 'other';
  const rest = below[1] ?? '';
  if (method === 'PUT' && rest === '') return 'upsert';
  // A GET below the points reads one; of the others, those that ask.
  const asks = /^(|\/(scroll|count|query|search|recommend|discover|facet)(\/.*)?)$/.test(rest);
  return method === 'GET' || (method === 'POST' && asks) ? 'read' : 'other';
}

const lengthOf = (value: unknown): number | undefined =>
  Array.isArray(value) ? value.length : undefined;

/** Number of points in the body of an upsert, undefined where it is none. */
export function pointsIn(bytes: Uint8Array): number | undefined {
  // Megabytes of vectors: JSON.parse would keep all other requests waiting.
  const scanned = scanUpsert(bytes);
  if (scanned) return scanned.length;
  try {
    const body = JSON.parse(Buffer.from(bytes).toString()) as {
      points?: unknown;
      batch?: { ids?: unknown };
    } | null;
    return lengthOf(body?.points) ?? lengthOf(body?.batch?.ids);
  } catch {
    // The service says what is wrong with it.
    return undefined;
  }
}

const modelKey = Buffer.from('"model"');

/** The model that the body of an embeddings request names. Looks for the key instead of parsing: a quote in a text is escaped, so the key can't be in one. */
export function modelIn(bytes: Buffer): string | undefined {
  for (let at = bytes.indexOf(modelKey); at >= 0; at = bytes.indexOf(modelKey, at + 1)) {
    const found = /^"model"\s*:\s*"([^"\\\r\n]*)"/.exec(bytes.toString('utf8', at, at + 300));
    if (found) return found[1];
  }
  return undefined;
}
