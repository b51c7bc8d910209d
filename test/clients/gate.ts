import { createServer, type IncomingHttpHeaders, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

/** What the gate answers in the place of the mock: a status, or nothing at all. */
export type Reply = { status: number; headers?: Record<string, string>; body?: unknown } | 'stall';

/** A request as it came, and when: `answeredMs` is before the first byte of the answer left. */
export type Visit = {
  key: string;
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  body: string;
  arrivedMs: number;
  answeredMs: number;
  /** Of the answer, the mock's or the script's. Nothing where there was none. */
  status?: number;
  hintMs?: number;
};

/** A proxy before a mock that records who came when, and refuses by script what the mock would not. */
export type Gate = {
  url: string;
  /** The next requests of this key, as far as the gate scripts their path, get these answers. */
  script: (key: string, replies: Reply[]) => void;
  /** What came with a key, to the scripted paths only. */
  visits: (key: string) => Visit[];
  close: () => Promise<void>;
};

const keyOf = (headers: IncomingHttpHeaders): string =>
  String(headers['api-key'] ?? headers.authorization ?? '').replace(/^Bearer /, '');

/** What the headers of an answer say of when to come again, in milliseconds. */
function hintIn(headers: { [name: string]: unknown }): { hintMs?: number } {
  const { 'retry-after-ms': ms, 'retry-after': seconds } = headers;
  if (ms !== undefined) return { hintMs: Number(ms) };
  return seconds === undefined ? {} : { hintMs: Number(seconds) * 1_000 };
}

/** Opens a gate before `upstream`, an origin. `scripted` says which requests are counted and scripted. */
export async function openGate(
  upstream: string,
  scripted: (method: string, path: string) => boolean,
): Promise<Gate> {
  const scripts = new Map<string, Reply[]>();
  const visits: Visit[] = [];

  const forward = (visit: Visit, answer: ServerResponse) => {
    const { method, path, headers, body } = visit;
    const passed = request(`${upstream}${path}`, { method, headers }, (given) => {
      const { statusCode: status = 502 } = given;
      Object.assign(visit, { status, answeredMs: performance.now() }, hintIn(given.headers));
      answer.writeHead(status, given.headers);
      given.pipe(answer);
    });
    passed.on('error', () => answer.destroy());
    passed.end(body);
  };

  const server = createServer(async (asked, answer) => {
    // Before the body is read: what counts is when the client came.
    const arrivedMs = performance.now();
    const { method = 'GET', url = '/', headers } = asked;
    const visit: Visit = {
      key: keyOf(headers),
      method,
      path: url,
      headers,
      body: await text(asked),
      arrivedMs,
      answeredMs: arrivedMs,
    };
    if (!scripted(method, url)) return forward(visit, answer);
    visits.push(visit);
    const reply = scripts.get(visit.key)?.shift();
    if (!reply) return forward(visit, answer);
    if (reply === 'stall') return;
    const given = { 'content-type': 'application/json', ...reply.headers };
    const { status } = reply;
    Object.assign(visit, { status, answeredMs: performance.now() }, hintIn(given));
    answer.writeHead(status, given).end(JSON.stringify(reply.body ?? {}));
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    script: (key, replies) => void scripts.set(key, [...replies]),
    visits: (key) => visits.filter((visit) => visit.key === key),
    close: () =>
      new Promise((closed) => {
        server.close(() => closed());
        server.closeAllConnections();
      }),
  };
}

/** Milliseconds that a client stayed away after each answer. */
export const waitsOf = (visits: Visit[]): number[] =>
  visits.slice(1).map(({ arrivedMs }, at) => arrivedMs - visits[at]!.answeredMs);
