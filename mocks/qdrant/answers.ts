import type { Answer } from '../endpoint.ts';
import { serdeText } from './json-errors.ts';

/** 32 MiB, the server's default `service.max_request_size_mb`. */
export const bodyLimitBytes = 32 * 1024 * 1024;

const jsonHeaders = { 'content-type': 'application/json' };
const textHeaders = { 'content-type': 'text/plain; charset=utf-8' };

/** A request the server refuses: thrown by whatever finds the fault, answered in one place. */
export class Refusal extends Error {
  override name = 'Refusal';
  status: number;

  constructor(status: number, text: string) {
    super(text);
    this.status = status;
  }
}

/** A strict-mode rate limit refuses; without `retrySeconds` no wait would help. */
export class RateRefusal extends Refusal {
  override name = 'RateRefusal';
  kind: 'read' | 'write';
  /** Real seconds of the client, rounded up. */
  retrySeconds: number | undefined;

  constructor(kind: 'read' | 'write', text: string, retrySeconds?: number) {
    const start = kind === 'read' ? 'Read' : 'Write';
    super(429, `Rate limiting exceeded: ${start} rate limit exceeded${text}`);
    this.kind = kind;
    this.retrySeconds = retrySeconds;
  }
}

/** The server is not there: what a proxy in front of it answers. */
export class BadGateway extends Error {
  override name = 'BadGateway';
}

/** The server has no such limit of its own: this is what the mocks may hold in memory. */
export const insufficientStorage = (maxBytes: number): Refusal =>
  new Refusal(
    507,
    `Insufficient storage: this mock holds at most ${Math.floor(maxBytes / 2 ** 20)} MiB of points (its own limit, see --max-memory)`,
  );

/** The server's `BadInput`. */
export const wrongInput = (text: string): Refusal => new Refusal(400, `Wrong input: ${text}`);

/** The body is JSON, but not of the shape the route takes. */
export const formatError = (text: string): Refusal =>
  new Refusal(400, `Format error in JSON body: ${text}`);

/** The body has the right shape and a value out of bounds. */
export const invalid = (where: 'JSON body' | 'query parameters', text: string): Refusal =>
  new Refusal(422, `Validation error in ${where}: [${text}]`);

/** The query string is not of the shape the route takes. */
export const queryError = (text: string): Refusal =>
  new Refusal(400, `Deserialize error in query parameters: ${text}`);

/** The server's `BadRequest`, strict mode's own. */
export const badRequest = (text: string): Refusal => new Refusal(400, `Bad request: ${text}`);

export const notFound = (text: string): Refusal => new Refusal(404, `Not found: ${text}`);

/**
 * A feature of the real server that is left out here. Refusing aloud beats an answer that silently
 * ignored half of the question.
 */
export const unserved = (what: string): Refusal =>
  wrongInput(`\`${what}\` is not served by this mock`);

/** The success envelope around `result`, already JSON. `seconds` is the server's processing time. */
export const ok = (result: string, seconds: number): Answer => ({
  status: 200,
  headers: jsonHeaders,
  body: `{"result":${result},"status":"ok","time":${seconds}}`,
});

/** The error envelope: no `result` at all, the text below `status`. */
export const failed = (refusal: Refusal, seconds: number): Answer => ({
  status: refusal.status,
  headers:
    refusal instanceof RateRefusal && refusal.retrySeconds !== undefined
      ? { ...jsonHeaders, 'retry-after': String(refusal.retrySeconds) }
      : jsonHeaders,
  body: `{"status":{"error":${JSON.stringify(refusal.message)}},"time":${seconds}}`,
});

const proxyReasons: Record<number, string> = {
  413: 'Request Entity Too Large',
  502: 'Bad Gateway',
  503: 'Service Temporarily Unavailable',
  504: 'Gateway Time-out',
};

/** What a proxy in front of the server says when the server does not answer (assumed: nginx). */
export const proxyError = (status: number): Answer => {
  const title = `${status} ${proxyReasons[status] ?? 'Error'}`;
  return {
    status,
    headers: { 'content-type': 'text/html' },
    body: `<html>\r\n<head><title>${title}</title></head>\r\n<body>\r\n<center><h1>${title}</h1></center>\r\n</body>\r\n</html>\r\n`,
  };
};

/** What the cloud's entry answers for a cluster that is suspended (assumed: its 403s of 2024 looked so). */
export const suspended = (status: number): Answer => ({
  status,
  headers: { 'content-type': 'application/json; charset=utf-8' },
  body: '{"error":"forbidden"}',
});

export const plainText = (status: number, body: string): Answer => ({
  status,
  headers: textHeaders,
  body,
});

/** JSON outside of the envelope, as `GET /` answers. */
export const bareJson = (value: unknown): Answer => ({
  status: 200,
  headers: jsonHeaders,
  body: JSON.stringify(value),
});

export const unknownRoute = (): Answer => ({ status: 404, body: '' });

export const badJson = (message: string): Answer => failed(formatError(serdeText(message)), 0);

/** 400 rather than 413. Without a declared length the server only knows that the limit was passed. */
export const tooLarge = (bytes: number): Answer =>
  failed(
    new Refusal(
      400,
      bytes > bodyLimitBytes
        ? `JSON payload (${bytes} bytes) is larger than allowed (limit: ${bodyLimitBytes} bytes).`
        : `JSON payload has exceeded limit (${bodyLimitBytes} bytes).`,
    ),
    0,
  );

export const missingKey = (): Answer =>
  plainText(401, 'Must provide an API key or an Authorization bearer token');

export const unknownKey = (): Answer => plainText(401, 'Invalid API key or JWT');
