import {
  type Agent,
  type IncomingMessage,
  request as overHttp,
  type ServerResponse,
} from 'node:http';
import { request as overHttps } from 'node:https';
import { readBody } from '../../../mocks/read-body.ts';
import { createErrorCopy, createUsageCopy } from './answer-copy.ts';
import { endToEnd } from './headers.ts';
import { kindOf, modelIn } from './kinds.ts';
import { ownError, sendOwn, unreachable } from './own-answers.ts';
import type { Reservation, Spending } from './spending.ts';
import type { Upstream } from './upstream.ts';

/** Why a request has no whole answer of the service: its client left, the service can't be had, or broke off. */
export type Broken = 'abandoned' | 'unreachable' | 'cut';

/** One request and its answer, when both are over. */
export type Ended = {
  kind: ReturnType<typeof kindOf>;
  request: IncomingMessage;
  /** The request's body; empty where it was longer than what is kept. */
  body: Buffer;
  model: string | undefined;
  arrivedMs: number;
  /** When the client had the last byte, or left. */
  endedMs: number;
  /** Milliseconds that the request was kept back here. */
  ownMs: number;
  status: number;
  /** Of the service; undefined where the answer is our own. */
  answer: IncomingMessage | undefined;
  /** Text of an answer that is an error. */
  error: string;
  broken: Broken | undefined;
  refusedBy: string | undefined;
  /** Billed tokens, once they are known; at once where there are none. */
  tokens: Promise<number | undefined> | undefined;
};

/** Bytes of a request's body that are held or copied: twice what Qdrant takes, and far over OpenAI's 300,000 tokens. */
const mostBodyBytes = 64 * 1024 * 1024;
/** What nginx logs for a client that closed the connection. No client ever sees it. */
const clientLeft = 499;

const noBody = Buffer.alloc(0);

export type ExchangeOptions = {
  upstream: Upstream;
  agent: Agent;
  spending: Spending;
  /** Whether only what has a price may pass. */
  guarded: boolean;
  end: (ended: Ended) => void;
};

/**
 * Hands one request on and its answer back, both as they are. What may cost money is held until its
 * body is there; everything else streams.
 */
export function exchange(
  request: IncomingMessage,
  response: ServerResponse,
  { upstream, agent, spending, guarded, end }: ExchangeOptions,
): void {
  const arrivedMs = performance.now();
  const { method = 'GET', url = '/' } = request;
  const { service, origin } = upstream;
  const kind = kindOf(service, method, url);
  const ended: Ended = {
    kind,
    request,
    body: noBody,
    model: undefined,
    arrivedMs,
    endedMs: Number.NaN,
    ownMs: 0,
    status: clientLeft,
    answer: undefined,
    error: '',
    broken: undefined,
    refusedBy: undefined,
    tokens: undefined,
  };
  const errorCopy = { text: () => '' };
  let reservation: Extract<Reservation, { settle: unknown }> | undefined;
  let usage: ReturnType<typeof createUsageCopy> | undefined;
  let abort = () => {};
  // Whether the service may have got any of it, and so may bill it.
  let reached = false;

  const answerOwn = (status: number, code: string, problem: string, again = false): void => {
    // A body that nobody reads any more would keep the connection from its next request.
    request.unpipe().resume();
    const body = ownError(service, code, problem);
    ended.status = status;
    ended.error = body;
    sendOwn(response, status, body, again);
  };

  const settle = (): void => {
    if (!reservation) return;
    if (ended.broken !== undefined) reservation.settle(reached ? 'unknown' : 'none');
    else if (ended.status >= 300) reservation.settle('none');
    else {
      const { settle: bill } = reservation;
      ended.tokens = usage!.tokens().then((tokens) => {
        bill(tokens ?? 'unknown');
        return tokens;
      });
    }
  };
  let isOver = false;
  const over = (): void => {
    if (isOver) return;
    isOver = true;
    ended.endedMs = performance.now();
    if (!response.writableFinished) ended.broken ??= 'abandoned';
    if (ended.broken === 'abandoned') ended.status = clientLeft;
    if (ended.broken !== undefined) usage?.drop();
    if (ended.answer && ended.status >= 400) ended.error = errorCopy.text();
    settle();
    // Of a body that the service did not wait for, the rest is of no use to anyone.
    request.unpipe().resume();
    abort();
    end(ended);
  };
  response.once('finish', over).once('close', over);

  const noAnswer = (problem: string): void => {
    // Once there is an answer, it is the answer that is whole or not.
    if (isOver || ended.answer || ended.broken !== undefined) return;
    ended.broken = 'unreachable';
    answerOwn(502, 'kneepoint_unreachable', problem, true);
  };

  const take = (answer: IncomingMessage): void => {
    const { statusCode: status = 0 } = answer;
    // Node's parser lets any number pass, its server does not.
    if (status < 200 || status > 999) {
      noAnswer(`${origin} answers with the status ${status}, which is none`);
      return;
    }
    ended.answer = answer;
    ended.status = status;
    const encoding = (answer.headers['content-encoding'] ?? '').trim().toLowerCase();
    if (ended.status >= 400) {
      const copy = createErrorCopy(encoding);
      errorCopy.text = copy.text;
      answer.on('data', copy.add);
    } else if (reservation && ended.status < 300) {
      usage = createUsageCopy(encoding);
      answer.on('data', usage.add);
    }
    // Broken off: the client must see it broken off too.
    answer.once('error', () => {
      if (isOver) return;
      ended.broken = 'cut';
      response.destroy();
    });
    response.sendDate = false;
    response.writeHead(ended.status, answer.statusMessage, endToEnd(answer.rawHeaders));
    answer.pipe(response);
  };

  const send = (since: number, whole?: Buffer): void => {
    const chunked = request.headers['transfer-encoding'] !== undefined;
    // Node has answered an Expect itself: that is a matter of the connection too.
    const headers = endToEnd(request.rawHeaders, ['host', 'expect']);
    const onward = (upstream.secure ? overHttps : overHttp)({
      hostname: upstream.hostname,
      port: upstream.port,
      method,
      path: url,
      agent,
      headers: [
        'Host',
        upstream.host,
        ...headers,
        ...(chunked ? ['Transfer-Encoding', 'chunked'] : []),
      ],
    });
    abort = () => {
      if (!ended.answer?.complete || !onward.writableFinished) onward.destroy();
    };
    onward.once('socket', (socket) => {
      if (!socket.connecting) reached = true;
      else
        socket.once(upstream.secure ? 'secureConnect' : 'connect', () => {
          reached = true;
        });
    });
    onward.once('response', take);
    onward.on('error', (error) => noAnswer(unreachable(origin, error)));
    // A switch of protocols that nobody asked for ends without any error.
    onward.once('close', () => noAnswer(`${origin} closed the connection without an answer`));
    ended.ownMs = performance.now() - since;
    if (whole) onward.end(whole);
    else request.pipe(onward);
  };

  const hold = (): void =>
    readBody(request, mostBodyBytes, (error, body = noBody) => {
      const readMs = performance.now();
      if (isOver) return;
      if (error) {
        // Either the client left, which its connection says, or it is too much.
        if (request.complete || !request.destroyed)
          answerOwn(413, 'kneepoint_body_too_large', `a body of over ${mostBodyBytes} bytes`);
        return;
      }
      ended.body = body;
      if (kind !== 'embeddings' && guarded) {
        // Without its path, which may hold anything.
        const problem = `only embeddings pass while --max-cost holds; a ${method} to elsewhere has no known price`;
        ended.refusedBy = 'max-cost';
        spending.refuse(problem);
        answerOwn(403, 'kneepoint_max_cost', problem);
        return;
      }
      if (kind === 'embeddings') {
        ended.model = modelIn(body);
        const asked = spending.reserve(ended.model, body.length);
        if ('refusal' in asked) {
          ended.refusedBy = 'max-cost';
          answerOwn(403, 'kneepoint_max_cost', asked.refusal);
          return;
        }
        reservation = asked;
      }
      send(readMs, body);
    });

  const stream = (): void => {
    const parts: Buffer[] = [];
    let length = 0;
    request.on('data', (part: Buffer) => {
      length += part.length;
      if (length <= mostBodyBytes) parts.push(part);
      else parts.length = 0;
    });
    request.once('end', () => {
      ended.body = Buffer.concat(parts);
    });
    // A client that leaves in the midst of its body: the response's close tells.
    request.once('error', () => {});
    send(arrivedMs);
  };

  if (request.headers.upgrade?.toLowerCase() === 'websocket')
    answerOwn(501, 'kneepoint_no_websocket', 'plain HTTP requests only');
  else if (!url.startsWith('/'))
    answerOwn(400, 'kneepoint_no_path', 'a request needs a path, not an address');
  else if (service === 'openai' && method !== 'GET' && method !== 'HEAD') hold();
  else stream();
}
