import { request } from 'node:http';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { gate } from './gate.ts';
import { got, type TestMocks, testMocks } from './test-mocks.ts';

let on: TestMocks;
beforeAll(async () => {
  on = await testMocks({}, 1);
});
afterAll(() => on.mocks.close());

/** Asks with headers that fetch would not let through. */
const ask = (headers: Record<string, string>, path = '/profiles') =>
  new Promise<number | undefined>((resolve, reject) => {
    const sent = { authorization: `Bearer ${on.mocks.token}`, ...headers };
    request(`${on.mocks.adminUrl}${path}`, { headers: sent }, (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    })
      .on('error', reject)
      .end();
  });

test('programs with the token come in', async () => {
  expect(await ask({})).toBe(200);
  expect(await ask({ host: 'localhost:4612' })).toBe(200);
  expect(await ask({ host: '127.9.9.9' })).toBe(200);
  expect(await ask({ host: '[::1]:4612' })).toBe(200);
});

test.each([
  [{ 'user-agent': 'Mozilla/5.0 (X11)' }, 403],
  [{ origin: 'http://127.0.0.1' }, 403],
  [{ origin: 'null' }, 403],
  [{ host: 'evil.example' }, 403],
  [{ host: '127.0.0.1.evil.example' }, 403],
  [{ host: 'localhost.evil.example:4612' }, 403],
  [{ authorization: '' }, 401],
  [{ authorization: 'Bearer wrong' }, 401],
])('%j is refused', async (headers, status) => {
  expect(await ask(headers as Record<string, string>)).toBe(status);
});

test('the --host is a name too', () => {
  const open = (host: string, own: string) =>
    gate(
      't',
      own,
    )({
      method: 'GET',
      url: '/',
      headers: { host, authorization: 'Bearer t' },
    }) === undefined;
  expect(open('lab.internal:1', 'lab.internal')).toBe(true);
  expect(open('[fd00::1]:1', 'fd00::1')).toBe(true);
  expect(open('other.internal:1', 'lab.internal')).toBe(false);
});

describe('without the token', () => {
  test.each([
    ['GET', '/openapi.json'],
    ['GET', '/metrics'],
    ['GET', '/journal'],
    ['DELETE', '/journal'],
    ['PATCH', '/profiles/tier-1'],
    ['POST', '/profiles/tier-1/reset'],
    ['GET', '/bogus'],
    ['GET', '/%zz'],
    ['PUT', '/profiles'],
    ['GET', '/healthz/more'],
  ])('%s %s is a 401', async (method, path) => {
    expect((await got(`${on.mocks.adminUrl}${path}`, { method })).status).toBe(401);
  });

  test('a body is not read', async () => {
    const body = '{"a":';
    const url = `${on.mocks.adminUrl}/profiles/tier-1`;
    expect((await got(url, { method: 'PATCH', body })).status).toBe(401);
  });

  test('health tells its version, and nothing allows other origins', async () => {
    const { status, json, headers } = await got(`${on.mocks.adminUrl}/healthz`);
    expect([status, json]).toEqual([200, { status: 'ok', version: '1.2.3' }]);
    expect([...headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([]);
    expect((await got(`${on.mocks.adminUrl}/healthz`, { method: 'HEAD' })).status).toBe(200);
    const preflight = await got(`${on.mocks.adminUrl}/profiles`, { method: 'OPTIONS' });
    expect(preflight.status).toBe(401);
  });
});

describe('what no route can be found for', () => {
  const long = 'a'.repeat(1_100);
  test.each([`/profiles/${long}`, '/%zz'])('%s gets the words of the service', async (path) => {
    const admin = await on.admin('GET', path);
    expect([admin.status, admin.json]).toEqual([404, { error: `no route GET ${path}` }]);
  });

  test('is in the words of OpenAI and Qdrant there', async () => {
    const openai = await got(`${on.mocks.openaiUrl}/%zz`);
    expect([openai.status, openai.json.error.message]).toEqual([404, 'Invalid URL (GET /v1/%zz)']);
    const qdrant = await got(`${on.mocks.qdrantUrl}/collections/${long}`);
    expect([qdrant.status, qdrant.text]).toEqual([404, '']);
  });

  test.each([
    ['GET / HTTP/1.1\r\nx: y\r\n bad\u0000\r\n\r\n', 400],
    [`GET / HTTP/1.1\r\nhost: a\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`, 431],
  ])('%# is plain where it is no request', async (bytes, status) => {
    const { port } = new URL(on.mocks.openaiUrl);
    const text = await new Promise<string>((resolve, reject) => {
      let all = '';
      const socket = connect(Number(port), '127.0.0.1', () => socket.write(bytes));
      socket.setEncoding('utf8').on('data', (part) => {
        all += part;
      });
      socket.on('close', () => resolve(all)).on('error', reject);
    });
    expect(text).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(text).toMatch(/Connection: close\r\n\r\n$/);
  });
});
