/** What of a request and its answer may be told: only what is named here, and no key in any of it. */
import type { IncomingHttpHeaders } from 'node:http';
import { credentialsIn, withoutSecrets } from '../../../mocks/credentials.ts';

/** Headers of a request that statistics need. */
const requestHeaders = [
  'content-type',
  'content-length',
  'x-stainless-retry-count',
  'x-kneepoint-record',
  'x-kneepoint-attempt',
];

/** Headers of an answer that say something about limits and work. */
const isAnswerHeader = (name: string): boolean =>
  name.startsWith('x-ratelimit-') ||
  ['retry-after', 'retry-after-ms', 'x-should-retry', 'openai-processing-ms'].includes(name);

/** Parameters of Qdrant's and Azure's own; the value of any other may be a key. */
const plainParameters = ['wait', 'ordering', 'timeout', 'consistency', 'api-version'];

/** A blotter for one request, which knows the keys that it came with. */
export function blotter(headers: IncomingHttpHeaders): {
  text: (text: string) => string;
  bytes: (bytes: Buffer) => Buffer;
  path: (url: string) => string;
} {
  const secrets = credentialsIn(headers);
  const text = (given: string) => withoutSecrets(given, secrets);
  return {
    text,
    bytes: (bytes) =>
      secrets.some((secret) => bytes.includes(secret))
        ? Buffer.from(text(bytes.toString()))
        : bytes,
    path(url) {
      const [path, query] = [url.split('?', 1)[0]!, url.slice(url.indexOf('?') + 1)];
      if (path === url) return text(path);
      const shown = query.split('&').map((pair) => {
        const [name, value] = pair.split('=', 2);
        return value === undefined || plainParameters.includes(name!) ? pair : `${name}=[redacted]`;
      });
      return text(`${path}?${shown.join('&')}`);
    },
  };
}

/** The headers of a request without anything that says who sent it. */
export function tellableRequest(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const kept: IncomingHttpHeaders = {};
  for (const name of requestHeaders) if (headers[name] !== undefined) kept[name] = headers[name];
  return kept;
}

/** The headers of an answer that are told on. */
export function tellableAnswer(headers: IncomingHttpHeaders): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers))
    if (typeof value === 'string' && isAnswerHeader(name)) kept[name] = value;
  return kept;
}
