import Fastify, { type FastifyError, type FastifyInstance, type FastifyReply } from 'fastify';
import { mostLateMs } from '../src/model/lateness.ts';
import { runAt } from './deadline.ts';
import { type Answer, answerTo, type Service } from './endpoint.ts';
import { sendBroken } from './socket-faults.ts';

const noBytes = new Uint8Array();

declare module 'fastify' {
  interface FastifyRequest {
    arrivedMs: number;
  }
}

function send(reply: FastifyReply, answer: Answer): void {
  if (answer.fault) {
    sendBroken(reply, answer, answer.fault);
    return;
  }
  const { status, headers, body } = answer;
  reply.code(status);
  if (!headers?.['content-type']) reply.header('content-type', 'application/json');
  if (headers) reply.headers(headers);
  reply.send(body);
}

/**
 * By how many milliseconds the lab's own client was late in sending, because of its own work: its
 * request is answered as if it had come in time.
 */
function latenessMs(header: string | string[] | undefined): number {
  const late = Number(header);
  return late > 0 ? Math.min(late, mostLateMs) : 0;
}

/** Serves a service over HTTP. A delay counts from the request's arrival, so the mock's own work is part of it. */
export function serve(service: Service): FastifyInstance {
  const { bodyLimitBytes, notFound, tooLarge } = service;
  const app = Fastify({
    bodyLimit: bodyLimitBytes,
    // Fastify turns Node's guard against slow bodies off; its documentation says to set it.
    requestTimeout: 120_000,
    forceCloseConnections: true,
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: 1_000 },
  });
  app.decorateRequest('arrivedMs', 0);
  app.addHook('onRequest', (request, _reply, done) => {
    request.arrivedMs = performance.now();
    done();
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
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
      handler: (request, reply) => {
        const asked = {
          method: request.method,
          url: request.url,
          headers: request.headers,
          params: request.params as Record<string, string>,
          query: request.query as Record<string, string>,
          bytes: (request.body as Buffer | undefined) ?? noBytes,
        };
        const given = answerTo(service, endpoint, asked, request.arrivedMs);
        if (!given.delayMs) return send(reply, given);
        // Only a client of this lab is told: a provider has no such header.
        const late = request.headers['x-kneepoint-late-ms'];
        if (late !== undefined) reply.header('x-kneepoint-delay-ms', given.delayMs.toFixed(3));
        runAt(request.arrivedMs + given.delayMs - latenessMs(late), () => send(reply, given));
      },
    });
  }
  return app;
}
