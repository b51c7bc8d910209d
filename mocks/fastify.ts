import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import Fastify, {
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from 'fastify';
import { mostLateMs } from '../src/model/lateness.ts';
import { runAt } from './deadline.ts';
import { type Answer, answerTo, BadJson, type MockRequest, type Service } from './endpoint.ts';
import { readBody } from './read-body.ts';
import { serverLimits } from './server-limits.ts';
import { sendBroken } from './socket-faults.ts';

const noBytes = new Uint8Array();

declare module 'fastify' {
  interface FastifyRequest {
    arrivedMs: number;
  }
}

/** `more` are headers of the harness. */
function send(reply: FastifyReply, answer: Answer, more?: Record<string, string>): void {
  if (answer.fault) {
    sendBroken(reply, answer, answer.fault);
    return;
  }
  // Past Fastify, which would append a charset that the providers don't send.
  reply.hijack();
  const { status, headers, body } = answer;
  const length = Buffer.byteLength(body);
  reply.raw.writeHead(status, {
    'content-type': 'application/json',
    ...headers,
    ...more,
    'content-length': length,
  });
  // Text of one byte a character needs no encoding.
  reply.raw.end(body, length === body.length ? 'latin1' : 'utf8');
}

/**
 * By how many milliseconds the lab's own client was late in sending, because of its own work: its
 * request is answered as if it had come in time.
 */
function latenessMs(header: string | string[] | undefined): number {
  const late = Number(header);
  return late > 0 ? Math.min(late, mostLateMs) : 0;
}

/** Plain answers to what is no HTTP request, as Node gives them: no provider's envelope is involved. */
function refuseSocket({ code }: Error & { code?: string }, socket: Socket): void {
  if (code === 'ECONNRESET' || socket.destroyed) return;
  const statuses: Record<string, number> = {
    HPE_HEADER_OVERFLOW: 431,
    HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
    ERR_HTTP_REQUEST_TIMEOUT: 408,
  };
  const status = statuses[code ?? ''] ?? 400;
  if (socket.writable)
    socket.write(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\n\r\n`);
  socket.destroy();
}

const askedIn = (request: FastifyRequest): MockRequest => ({
  method: request.method,
  url: request.url,
  headers: request.headers,
  params: request.params as Record<string, string>,
  query: request.query as Record<string, string>,
  bytes: (request.body as Buffer | undefined) ?? noBytes,
});

/** Sends an answer when its delay is over, counted from the request's arrival. */
function sendInTime(
  { gone }: Service,
  request: FastifyRequest,
  reply: FastifyReply,
  answer: Answer,
): void {
  if (!answer.delayMs) {
    send(reply, answer);
    return;
  }
  if (gone)
    reply.raw.once('close', () => {
      if (!reply.raw.writableFinished) gone(answer, performance.now());
    });
  // Only a client of this lab is told: a provider has no such header.
  const late = request.headers['x-kneepoint-late-ms'];
  const told = late && { 'x-kneepoint-delay-ms': answer.delayMs.toFixed(3) };
  runAt(request.arrivedMs + answer.delayMs - latenessMs(late), () =>
    send(reply, answer, told || undefined),
  );
}

/** Serves a service over HTTP. A delay counts from the request's arrival, so the mock's own work is part of it. */
export function serve(service: Service): FastifyInstance {
  const { bodyLimitBytes, notFound, tooLarge, guard } = service;
  const { headersTimeout, maxHeaderSize, connectionsCheckingInterval } = serverLimits;
  const app = Fastify({
    bodyLimit: bodyLimitBytes,
    http: { headersTimeout, maxHeaderSize, connectionsCheckingInterval },
    requestTimeout: serverLimits.requestTimeout,
    keepAliveTimeout: serverLimits.keepAliveTimeout,
    forceCloseConnections: true,
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: serverLimits.maxParamLength },
    // A path that can't be decoded, or with a part too long: no hook has run.
    frameworkErrors: (_error, request, reply) => {
      const { method, url, headers } = request;
      send(reply as FastifyReply, guard?.({ method, url, headers }) ?? notFound(method, url));
    },
    clientErrorHandler: refuseSocket,
  });
  app.decorateRequest('arrivedMs', 0);
  app.addHook('onRequest', (request, _reply, done) => {
    request.arrivedMs = performance.now();
    // Every body is read as it comes: a type that can't be parsed is no reason for Fastify's own 415.
    request.headers['content-type'] = 'application/json';
    done();
  });
  if (guard)
    app.addHook('onRequest', (request, reply, done) => {
      const refusal = guard(request);
      if (refusal) send(reply, refusal);
      else done();
    });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, payload, done) =>
    readBody(payload, bodyLimitBytes, done),
  );
  app.setNotFoundHandler((request, reply) => send(reply, notFound(request.method, request.url)));
  app.setErrorHandler((error: FastifyError, request, reply) => {
    if (error.code === 'FST_ERR_CTP_BODY_TOO_LARGE')
      return send(reply, tooLarge(Number(request.headers['content-length'])));
    throw error;
  });
  for (const endpoint of service.endpoints) {
    app.route({
      method: endpoint.method,
      url: endpoint.path,
      handler: (request, reply) =>
        sendInTime(
          service,
          request,
          reply,
          answerTo(service, endpoint, askedIn(request), request.arrivedMs),
        ),
    });
  }
  for (const { method, path, answer } of service.later ?? [])
    app.route({
      method,
      url: path,
      handler: async (request, reply) => {
        const given = await answer(askedIn(request), request.arrivedMs).catch((error: unknown) => {
          if (error instanceof BadJson) return service.badJson(error.message);
          throw error;
        });
        sendInTime(service, request, reply, given);
        return reply;
      },
    });
  return app;
}
