/** Services that do what the mocks never do, and connections that break. */
import { randomBytes } from 'node:crypto';
import {
  Agent,
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type RequestListener,
  request,
} from 'node:http';
import {
  type AddressInfo,
  connect,
  createServer as createSocketServer,
  type Server,
} from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Answer } from '../../../mocks/endpoint.ts';
import type { Sighting } from '../../../mocks/observed.ts';
import { UsageError } from '../../usage-error.ts';
import { type PassThrough, type PassThroughOptions, startPassThrough } from './pass-through.ts';

let closing: (() => Promise<unknown>)[];
let seen: Sighting[];
let gone: { answer: Answer; nowMs: number }[];

beforeEach(() => {
  closing = [];
  seen = [];
  gone = [];
});
afterEach(async () => {
  for (const close of closing.reverse()) await close();
});

const listening = async (server: Server & { closeAllConnections: () => void }): Promise<number> => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => {
    server.closeAllConnections();
    return new Promise((closed) => server.close(closed));
  });
  return (server.address() as AddressInfo).port;
};

const start = async (more: Partial<PassThroughOptions>): Promise<PassThrough> => {
  const nowhere = 'http://127.0.0.1:9';
  const through = await startPassThrough({
    openaiUrl: nowhere,
    qdrantUrl: nowhere,
    sink: (sighting) => void seen.push(sighting),
    gone: (answer, nowMs) => void gone.push({ answer, nowMs }),
    ...more,
  });
  closing.push(through.close);
  return through;
};

/** A pass-through in front of a service, which stands for OpenAI and for Qdrant. */
const inFrontOf = async (
  service: RequestListener,
): Promise<PassThrough & { servicePort: number }> => {
  const servicePort = await listening(createServer(service));
  const url = `http://127.0.0.1:${servicePort}`;
  return { ...(await start({ openaiUrl: `${url}/v1`, qdrantUrl: url })), servicePort };
};

type Raw = { status: number; rawHeaders: string[]; headers: IncomingHttpHeaders; body: Buffer };

const whole = async (message: IncomingMessage): Promise<Buffer> => {
  const parts: Buffer[] = [];
  for await (const part of message) parts.push(part as Buffer);
  return Buffer.concat(parts);
};

/** Asks without any of the niceties of `fetch`, which would decompress and follow. */
const ask = (url: string, options: object = {}, body?: string | Buffer): Promise<Raw> =>
  new Promise((resolve, reject) => {
    const asked = request(url, options, async (answer) => {
      const { statusCode, rawHeaders, headers } = answer;
      try {
        resolve({ status: statusCode!, rawHeaders, headers, body: await whole(answer) });
      } catch (error) {
        reject(error);
      }
    });
    asked.on('error', reject);
    asked.end(body);
  });
const post = { method: 'POST' };
const embeddingsBody = JSON.stringify({ model: 'text-embedding-3-small', input: 'text' });

/** Sends text as it is and resolves with what comes back until the other side closes. */
const sendRaw = (url: string, text: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1', () => socket.write(text));
    let answer = '';
    socket.setEncoding('latin1').on('data', (part) => {
      answer += part;
    });
    socket.on('close', () => resolve(answer)).on('error', reject);
  });

describe('what goes through unchanged', () => {
  test('a compressed answer, byte by byte; its tokens are known all the same', async () => {
    const usage = { prompt_tokens: 5, total_tokens: 5 };
    const packed = gzipSync(JSON.stringify({ data: 'x'.repeat(100_000), usage }, null, 2));
    const through = await inFrontOf((_, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip', 'content-type': 'application/json' });
      for (let at = 0; at < packed.length; at += 50) response.write(packed.subarray(at, at + 50));
      response.end();
    });
    const answer = await ask(`${through.openaiUrl}/embeddings`, post, embeddingsBody);
    expect(answer.headers['content-encoding']).toBe('gzip');
    expect(answer.body.equals(packed)).toBe(true);
    await through.settled();
    expect(seen[0]!.answer.about!.tokens).toBe(5);
    expect(through.spending()).toMatchObject({ tokens: 5, estimated: 0 });
  });

  test('method, path, query, body and all headers but those of the connection', async () => {
    const got: { request: IncomingMessage; body: string }[] = [];
    const through = await inFrontOf(async (message, response) => {
      got.push({ request: message, body: (await whole(message)).toString() });
      response.sendDate = false;
      response.writeHead(207, 'Odd Words', [
        'X-One',
        '1',
        'x-one',
        '2',
        'Set-Cookie',
        'a',
        'Set-Cookie',
        'b',
        'Connection',
        'X-Hop',
        'X-Hop',
        '1',
        'Content-Length',
        '2',
      ]);
      response.end('ok');
    });
    const url = `${through.qdrantUrl}/a%2Fb/../c?x=%20&y`;
    const { port } = new URL(url);
    const text = [
      `PATCH /a%2Fb/../c?x=%20&y HTTP/1.1`,
      `Host: 127.0.0.1:${port}`,
      'X-First: 1',
      'x-first: 2',
      'Connection: close, X-Secret-Hop',
      'X-Secret-Hop: 1',
      'Keep-Alive: timeout=5',
      'TE: trailers',
      'Upgrade: h2c',
      'Content-Length: 4',
      '',
      'body',
    ].join('\r\n');
    const answer = await sendRaw(url, text);
    expect(answer).toMatch(
      /^HTTP\/1.1 207 Odd Words\r\nX-One: 1\r\nx-one: 2\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n/,
    );
    expect(answer).not.toMatch(/x-hop|date:/i);
    expect(answer).toMatch(/\r\n\r\nok$/);
    const { request: reached, body } = got[0]!;
    expect([reached.method, reached.url, body]).toEqual(['PATCH', '/a%2Fb/../c?x=%20&y', 'body']);
    expect(reached.rawHeaders).toEqual([
      ...['Host', `127.0.0.1:${through.servicePort}`, 'X-First', '1', 'x-first', '2'],
      ...['Content-Length', '4', 'Connection', 'keep-alive'],
    ]);
  });

  test.each([
    ['POST', { 'transfer-encoding': 'chunked' }, 'in parts', { 'transfer-encoding': 'chunked' }],
    ['DELETE', { 'transfer-encoding': 'chunked' }, 'in parts', { 'transfer-encoding': 'chunked' }],
    ['DELETE', { 'content-length': 4 }, 'four', { 'content-length': '4' }],
    ['GET', {}, undefined, {}],
    ['PUT', { expect: '100-continue', 'content-length': 4 }, 'four', { 'content-length': '4' }],
  ])('how a body is framed: %s %j', async (method, headers, body, framing) => {
    const got: { framing: object; body: string }[] = [];
    const through = await inFrontOf(async (message, response) => {
      const { 'content-length': length, 'transfer-encoding': coding } = message.headers;
      const named = {
        ...(length && { 'content-length': length }),
        ...(coding && { 'transfer-encoding': coding }),
      };
      // Whether the client waits for a 100 is between it and the pass-through.
      expect(message.headers.expect).toBeUndefined();
      got.push({ framing: named, body: (await whole(message)).toString() });
      response.end();
    });
    for (const url of [through.openaiUrl, through.qdrantUrl])
      await ask(url, { method, headers }, body);
    expect(got).toEqual(Array(2).fill({ framing, body: body ?? '' }));
  });

  test.each([
    ['POST', 'openaiUrl'],
    ['PUT', 'qdrantUrl'],
  ] as const)('20 MB there and back again: %s', async (method, url) => {
    const through = await inFrontOf((message, response) => message.pipe(response));
    const body = randomBytes(20e6);
    const answer = await ask(`${through[url]}/collections/big/points`, { method }, body);
    // Not by `toEqual`, which would print them.
    expect(answer.body.equals(body)).toBe(true);
    await through.settled();
    expect(body.equals(seen[0]!.bytes)).toBe(true);
  });

  test('a redirect, which is the client’s to follow', async () => {
    let requests = 0;
    const through = await inFrontOf((_, response) => {
      requests++;
      response.writeHead(307, { location: 'http://other.example/v1/embeddings' }).end();
    });
    const answer = await ask(`${through.openaiUrl}/embeddings`, post, embeddingsBody);
    expect([answer.status, answer.headers.location]).toEqual([
      307,
      'http://other.example/v1/embeddings',
    ]);
    expect(requests).toBe(1);
    await through.settled();
    expect(through.spending()).toMatchObject({ usd: 0, estimated: 0 });
  });

  test('an answer part by part: the first is here before the last is sent', async () => {
    let finish = () => {};
    const through = await inFrontOf((_, response) => {
      response.write('first');
      finish = () => response.end('last');
    });
    const body = await new Promise<string>((resolve, reject) => {
      const asked = request(through.qdrantUrl, async (answer) => {
        let text = '';
        for await (const part of answer) {
          if (text === '') finish();
          text += part;
        }
        resolve(text);
      });
      asked.on('error', reject).end();
    });
    expect(body).toBe('firstlast');
  });

  test('an answer that takes longer than an idle connection is kept', async () => {
    const through = await inFrontOf((_, response) => {
      setTimeout(() => response.end('late'), 4_500);
    });
    expect((await ask(through.qdrantUrl)).body.toString()).toBe('late');
  });

  test('one connection after another request is used again', async () => {
    const sockets = new Set<unknown>();
    const through = await inFrontOf((message, response) => {
      sockets.add(message.socket);
      message.resume().on('end', () => response.end('{}'));
    });
    const agent = new Agent({ keepAlive: true });
    for (let turn = 0; turn < 10; turn++)
      await ask(`${through.openaiUrl}/embeddings`, { ...post, agent }, embeddingsBody);
    agent.destroy();
    expect(sockets.size).toBe(1);
  });
});

describe('when something breaks', () => {
  test('a client that leaves is seen by the service, and told as one that did not wait', async () => {
    const left = Promise.withResolvers<void>();
    const arrived = Promise.withResolvers<void>();
    const through = await inFrontOf((message, response) => {
      message.resume();
      response.once('close', () => left.resolve());
      arrived.resolve();
    });
    const asked = request(`${through.openaiUrl}/embeddings`, post);
    asked.on('error', () => {});
    asked.end(embeddingsBody);
    await arrived.promise;
    asked.destroy();
    await left.promise;
    await through.settled();
    expect(seen.map(({ answer }) => [answer.status, answer.about!.fault])).toEqual([
      [499, 'abandoned'],
    ]);
    expect(gone.map(({ answer }) => answer)).toEqual([seen[0]!.answer]);
    expect(gone[0]!.nowMs).toBeCloseTo(seen[0]!.nowMs + seen[0]!.answer.delayMs!, 6);
    // It may have been billed.
    expect(through.spending().estimated).toBe(1);
  });

  test('a client that leaves in the midst of its own body costs nothing', async () => {
    let requests = 0;
    const through = await inFrontOf(() => requests++);
    const asked = request(`${through.openaiUrl}/embeddings`, {
      ...post,
      headers: { 'content-length': 1_000 },
    });
    asked.on('error', () => {});
    await new Promise((written) => asked.write('{"model":', written));
    await expect
      .poll(() => through.spending().tokens === 0 && asked.socket?.bytesWritten)
      .toBeTruthy();
    asked.destroy();
    await expect.poll(() => seen.length).toBe(1);
    expect(seen[0]!.answer).toMatchObject({ status: 499, about: { fault: 'abandoned' } });
    expect(requests).toBe(0);
    expect(through.spending()).toMatchObject({ tokens: 0, estimated: 0 });
  });

  test('a service that is not there is a 502 in one line, which says whose it is', async () => {
    const through = await start({ maxCostUsd: 1 });
    const openai = await ask(`${through.openaiUrl}/embeddings`, post, embeddingsBody);
    const qdrant = await ask(
      `${through.qdrantUrl}/collections`,
      { method: 'PUT' },
      'x'.repeat(1e6),
    );
    expect([openai.status, qdrant.status]).toEqual([502, 502]);
    const problem = "kneepoint's pass-through: no answer from http://127.0.0.1:9 (ECONNREFUSED)";
    expect(openai.body.toString()).toBe(
      `${JSON.stringify({ error: { message: problem, type: 'kneepoint', param: null, code: 'kneepoint_unreachable' } })}\n`,
    );
    expect(JSON.parse(qdrant.body.toString())).toEqual({ status: { error: problem }, time: 0 });
    await through.settled();
    expect(seen.map(({ answer }) => [answer.status, answer.about!.fault])).toEqual([
      [502, 'unreachable'],
      [502, 'unreachable'],
    ]);
    expect(gone).toEqual([]);
    expect(through.spending()).toMatchObject({ usd: 0, estimated: 0 });
  });

  test('an answer that breaks off breaks off for the client as well', async () => {
    const through = await inFrontOf((message, response) => {
      message.resume().on('end', () => {
        response.writeHead(200, { 'content-length': 100 }).write('half');
        setImmediate(() => response.destroy());
      });
    });
    const answer = ask(`${through.openaiUrl}/embeddings`, post, embeddingsBody);
    await expect(answer).rejects.toThrow(/aborted|hang up|ECONNRESET/);
    await through.settled();
    expect(seen[0]!.answer.about).toMatchObject({ fault: 'cut' });
    expect(gone).toEqual([]);
    expect(through.spending().estimated).toBe(1);
  });

  test('a connection that is closed before any answer is a 502', async () => {
    const through = await inFrontOf((message) => message.socket.destroy());
    const answer = await ask(`${through.openaiUrl}/embeddings`, post, embeddingsBody);
    expect(answer.status).toBe(502);
    expect(answer.body.toString()).toContain('(ECONNRESET)');
    await through.settled();
    // It had the request.
    expect(through.spending().estimated).toBe(1);
  });
});

test('a request belongs to the run in which it came, however long it takes', async () => {
  const arrived = Promise.withResolvers<() => void>();
  const through = await inFrontOf((_, response) => arrived.resolve(() => response.end()));
  through.begin('one');
  const asked = ask(through.qdrantUrl);
  const finish = await arrived.promise;
  through.begin('two');
  finish();
  await asked;
  await through.settled();
  expect(seen.map(({ answer }) => answer.about!.run)).toEqual(['one']);
});

test('a client that has its answer before all of its body is written can write to the end', async () => {
  const through = await inFrontOf((_, response) => response.writeHead(400).end('{}'));
  const headers = { 'content-length': 40_000_000 };
  const asked = request(`${through.qdrantUrl}/collections/a/points`, { method: 'PUT', headers });
  const answered = new Promise((resolve, reject) => {
    asked.on('error', reject).on('response', (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    });
  });
  const written = new Promise((resolve) => asked.once('finish', resolve));
  asked.end(Buffer.alloc(40_000_000));
  expect(await answered).toBe(400);
  await written;
});

test.each(['099 No', '101 Switching Protocols', '1000 Yes'])(
  'an answer that is none, "%s", is a 502, and the next request goes on as ever',
  async (status) => {
    const port = await listening(
      Object.assign(
        createSocketServer((socket) =>
          socket.on('error', () => {}).once('data', () => socket.end(`HTTP/1.1 ${status}\r\n\r\n`)),
        ),
        { closeAllConnections: () => {} },
      ),
    );
    const through = await start({ qdrantUrl: `http://127.0.0.1:${port}` });
    for (let turn = 0; turn < 2; turn++) expect((await ask(through.qdrantUrl)).status).toBe(502);
    await through.settled();
    expect(seen.map(({ answer }) => answer.about!.fault)).toEqual(['unreachable', 'unreachable']);
  },
);

describe('what goes nowhere', () => {
  test('WebSockets, tunnels and requests to other addresses', async () => {
    let requests = 0;
    const through = await inFrontOf((_, response) => {
      requests++;
      response.end();
    });
    const raw = (head: string) =>
      sendRaw(
        through.openaiUrl,
        `${head}\r\nHost: x\r\n\r\n`.replace('\r\nHost: x', '\r\nHost: x\r\nConnection: close'),
      );
    expect(await raw('GET http://other.example/ HTTP/1.1')).toMatch(/^HTTP\/1.1 400 /);
    expect(await raw('CONNECT other.example:443 HTTP/1.1')).not.toMatch(/ 200 /);
    const upgrade =
      'Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13';
    const refused = await sendRaw(
      through.openaiUrl,
      `GET /v1/realtime HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\n${upgrade}\r\n\r\n`,
    );
    expect(refused).toMatch(/^HTTP\/1.1 501 /);
    expect(requests).toBe(0);
  });

  test('a body that no provider takes is not even read', async () => {
    let requests = 0;
    const through = await inFrontOf(() => requests++);
    const headers = { 'content-length': 70_000_000 };
    const asked = request(`${through.openaiUrl}/embeddings`, { ...post, headers });
    asked.on('error', () => {});
    asked.flushHeaders();
    const status = await new Promise((resolve) =>
      asked.on('response', (answer) => resolve(answer.statusCode)),
    );
    asked.destroy();
    expect([status, requests]).toEqual([413, 0]);
  });

  test('a request over the spending limit does not reach the service', async () => {
    let requests = 0;
    const port = await listening(
      createServer((message, response) => {
        requests++;
        message.resume().on('end', () => response.end('{"usage":{"total_tokens":1}}'));
      }),
    );
    const through = await start({ openaiUrl: `http://127.0.0.1:${port}/v1`, maxCostUsd: 0.000001 });
    const url = `${through.openaiUrl}/embeddings`;
    expect((await ask(url, post, embeddingsBody)).status).toBe(200);
    const large = JSON.stringify({ model: 'text-embedding-3-small', input: 'x'.repeat(1_000) });
    const refused = await ask(url, post, large);
    expect([refused.status, refused.headers['x-should-retry']]).toEqual([403, 'false']);
    expect(refused.body.toString()).toMatch(/"code":"kneepoint_max_cost"}}\n$/);
    expect((await ask(url, post, embeddingsBody)).status).toBe(403);
    expect(requests).toBe(1);
  });

  test('requests to itself: it does not even start', async () => {
    const port = await listening(createServer());
    await closing.pop()!();
    const ports = { openai: 0, qdrant: port };
    const error = await start({ ports, openaiUrl: `http://localhost:${port}/v1` }).catch(
      (reason) => reason,
    );
    expect(error).toBeInstanceOf(UsageError);
    expect(error.message).toMatch(/^OPENAI_BASE_URL: is the pass-through itself/);
    // What it had opened is closed again.
    await start({ ports });
  });

  test('a port that is taken is named in one line', async () => {
    const port = await listening(createServer());
    const error = await start({ ports: { openai: port, qdrant: 0 } }).catch((reason) => reason);
    expect(error).toBeInstanceOf(UsageError);
    expect(error.message).toBe(`openai: cannot listen on 127.0.0.1:${port} (EADDRINUSE)`);
  });
});
