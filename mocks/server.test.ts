import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { labs } from '../src/model/labs.ts';
import { openMocks } from '../src/services/open-mocks.ts';
import { UsageError } from '../src/usage-error.ts';
import type { Mocks } from './server.ts';

const host = '127.0.0.1';
const anyPorts = { openai: 0, qdrant: 0, records: 0, admin: 0 };
let mocks: Mocks;

beforeAll(async () => {
  mocks = await openMocks(labs.linear!, 100, host, anyPorts);
});
afterAll(() => mocks.close());

const ask = async (url: string, init: RequestInit = {}) => {
  const answer = await fetch(url, init);
  const text = await answer.text();
  return { status: answer.status, headers: answer.headers, text, json: parsed(text) };
};
const parsed = (text: string) => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};
const put = (path: string, body: unknown) =>
  ask(`${mocks.recordsUrl}${path}`, { method: 'PUT', body: JSON.stringify(body) });
const authorized = () => ({ headers: { authorization: `Bearer ${mocks.token}` } });
const embed = (key: string) =>
  ask(`${mocks.openaiUrl}/embeddings`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'text-embedding-3-small', input: 'text', dimensions: 2 }),
  });

/** Declares a body of so many bytes and sends none of it: the answer can't wait for the body. */
const declare = (url: string, method: string, bytes: number, more: Record<string, string> = {}) =>
  new Promise<{ status: number | undefined; text: string }>((resolve, reject) => {
    const asked = request(
      url,
      { method, headers: { ...more, 'content-length': bytes } },
      (answer) => {
        let text = '';
        answer.setEncoding('utf8');
        answer.on('data', (part) => {
          text += part;
        });
        answer.on('end', () => {
          resolve({ status: answer.statusCode, text });
          asked.destroy();
        });
      },
    );
    asked.on('error', reject);
    asked.flushHeaders();
  });

describe('a body that is not JSON', () => {
  const broken = (headers: Record<string, string>) => ({
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: '{"a":',
  });

  test("gets OpenAI's words", async () => {
    const { status, json } = await ask(
      `${mocks.openaiUrl}/embeddings`,
      broken({ authorization: 'Bearer sk-kneepoint-lab' }),
    );
    expect(status).toBe(400);
    expect(json).toEqual({
      error: {
        message: expect.stringMatching(
          /^We could not parse the JSON body of your request\. \(HINT: /,
        ),
        type: 'invalid_request_error',
        param: null,
        code: null,
      },
    });
  });

  test("gets Qdrant's words", async () => {
    const url = `${mocks.qdrantUrl}/collections/docs`;
    const { status, json } = await ask(url, {
      ...broken({ 'api-key': 'kneepoint-lab' }),
      method: 'PUT',
    });
    expect(status).toBe(400);
    expect(json.status.error).toMatch(/^Format error in JSON body: ./);
  });

  test('gets 400 from the records service', async () => {
    const url = `${mocks.recordsUrl}/profiles/broken`;
    const { status, json } = await ask(url, { ...broken({}), method: 'PUT' });
    expect(status).toBe(400);
    expect(json).toEqual({ error: expect.stringMatching(/JSON/) });
  });
});

describe('a body that is too large', () => {
  const limit = 32 * 1024 * 1024;

  test("gets Qdrant's 400 with both sizes", async () => {
    const url = `${mocks.qdrantUrl}/collections/docs/points`;
    const { status, text } = await declare(url, 'PUT', limit + 1);
    expect(status).toBe(400);
    expect(parsed(text).status.error).toBe(
      `JSON payload (${limit + 1} bytes) is larger than allowed (limit: ${limit} bytes).`,
    );
  });

  test('gets 413 elsewhere', async () => {
    const openai = await declare(`${mocks.openaiUrl}/embeddings`, 'POST', limit + 1);
    expect(openai.status).toBe(413);
    expect(parsed(openai.text).error.type).toBe('invalid_request_error');
    const records = await declare(`${mocks.recordsUrl}/profiles/large`, 'PUT', limit);
    expect(records).toEqual({
      status: 413,
      text: JSON.stringify({ error: `${limit} bytes are more than a lab needs` }),
    });
    const reset = `${mocks.adminUrl}/reset`;
    expect((await declare(reset, 'POST', limit)).status).toBe(401);
    expect((await declare(reset, 'POST', limit, authorized().headers)).status).toBe(413);
  });
});

describe('an unknown route', () => {
  test("gets 404 in each provider's way", async () => {
    const openai = await ask(`${mocks.openaiUrl}/bogus`);
    expect(openai.status).toBe(404);
    expect(openai.json.error).toMatchObject({
      message: 'Invalid URL (GET /v1/bogus)',
      type: 'invalid_request_error',
    });
    expect(await ask(`${mocks.qdrantUrl}/bogus`)).toMatchObject({ status: 404, text: '' });
    for (const url of [mocks.recordsUrl, mocks.adminUrl])
      expect(await ask(`${url}/bogus`, authorized())).toMatchObject({
        status: 404,
        json: { error: 'no route GET /bogus' },
      });
  });

  test('is told from a known one with another method', async () => {
    const { status, json } = await ask(`${mocks.openaiUrl}/embeddings?x=1`);
    expect([status, json.error.message]).toEqual([
      405,
      'Not allowed to GET on /v1/embeddings. (HINT: Perhaps you meant to use a different HTTP method?)',
    ]);
  });
});

test('each service tells that it is up', async () => {
  for (const url of [mocks.qdrantUrl, mocks.recordsUrl, mocks.adminUrl])
    expect((await ask(`${url}/healthz`)).status).toBe(200);
});

describe('the admin service', () => {
  test.each([{}, { authorization: 'Bearer wrong' }, { authorization: 'Bearer ' }])(
    'refuses %j',
    async (headers) => {
      const profiles = await ask(`${mocks.adminUrl}/profiles`, { headers });
      const reset = await ask(`${mocks.adminUrl}/reset`, { method: 'POST', headers });
      expect([profiles.status, reset.status]).toEqual([401, 401]);
      expect(profiles.text).not.toContain(mocks.token);
    },
  );

  test('tells what each profile has seen, and forgets it on a reset', async () => {
    await embed('sk-kneepoint-tier-2-admin');
    const seen = await ask(`${mocks.adminUrl}/profiles`, authorized());
    expect(seen.status).toBe(200);
    expect(seen.json.profiles).toContainEqual(
      expect.objectContaining({ name: 'tier-2-admin', tier: 'tier-2', embeddings: 1 }),
    );
    const reset = await ask(`${mocks.adminUrl}/reset`, { method: 'POST', ...authorized() });
    expect(reset.status).toBe(200);
    expect((await ask(`${mocks.adminUrl}/profiles`, authorized())).json.profiles).toEqual([]);
  });
});

describe('a registered profile', () => {
  test('answers its key with its own lab', async () => {
    const registered = await put('/profiles/own', {
      lab: { openai: { tier: 'free' } },
      speed: 100,
    });
    expect(registered).toMatchObject({ status: 200, json: { profile: 'lab-own' } });
    const { status, headers } = await embed('sk-kneepoint-lab-own');
    expect(status).toBe(200);
    expect(headers.get('x-ratelimit-limit-tokens')).toBe('40000');
    const other = await embed('sk-kneepoint-lab-other');
    expect(other.status).toBe(200);
    expect(other.headers.get('x-ratelimit-limit-tokens')).not.toBe('40000');
  });

  test('can be replaced until it is used, then is a 409', async () => {
    expect((await put('/profiles/used', { lab: {}, speed: 1 })).status).toBe(200);
    expect((await put('/profiles/used', { lab: {}, speed: 100 })).status).toBe(200);
    await embed('sk-kneepoint-lab-used');
    expect(await put('/profiles/used', { lab: {}, speed: 100 })).toMatchObject({
      status: 409,
      json: { error: 'profile lab-used has already been used; take a fresh id' },
    });
  });

  test.each([
    [{ lab: { openai: { teir: 'free' } }, speed: 1 }, 'openai.teir'],
    [{ lab: { openai: { tier: 'tier-9' } }, speed: 1 }, 'openai.tier'],
    [{ lab: { qdrant: { latency: { fixed: 1, p50: 1 } } }, speed: 1 }, 'qdrant.latency'],
    [{ lab: { workload: { records: 0 } }, speed: 1 }, 'workload.records'],
    [{ speed: 1 }, 'lab'],
    [{ lab: {}, speed: 0 }, 'speed'],
    [{ lab: {}, speed: 'fast' }, 'speed'],
    [{ lab: {} }, 'speed'],
    [null, 'speed'],
  ])('of %j is a 400 that names %s', async (body, field) => {
    const { status, json } = await put('/profiles/bad', body);
    expect(status).toBe(400);
    expect(json.error).toContain(`${field}:`);
  });

  test('has a records key too; no key is a 401', async () => {
    const lab = { workload: { records: 3, recordsPerClaim: 2 } };
    await put('/profiles/reader', { lab, speed: 100 });
    const read = (claim: string, key = 'kneepoint-lab-reader') =>
      ask(`${mocks.recordsUrl}/claims/${claim}`, { headers: { authorization: `Bearer ${key}` } });
    expect((await read('1')).json.records).toHaveLength(1);
    expect(await read('2')).toMatchObject({ status: 404 });
    expect(await read('-1')).toMatchObject({ status: 404 });
    expect(await read('0', 'kneepoint-bogus')).toMatchObject({ status: 401 });
    expect(await ask(`${mocks.recordsUrl}/claims/0`)).toMatchObject({ status: 401 });
  });
});

test('a port in use is a usage error that names its option', async () => {
  const openai = Number(new URL(mocks.openaiUrl).port);
  const second = openMocks(labs.linear!, 1, host, { ...anyPorts, openai });
  await expect(second).rejects.toThrow(UsageError);
  await expect(second).rejects.toThrow(
    `--openai-port: port ${openai} is in use; give another, or 0 for any`,
  );
  const admin = Number(new URL(mocks.adminUrl).port);
  await expect(openMocks(labs.linear!, 1, host, { ...anyPorts, admin })).rejects.toThrow(
    `--admin-port: port ${admin} is in use`,
  );
});
