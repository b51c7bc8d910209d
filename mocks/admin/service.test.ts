import { Ajv2020 } from 'ajv/dist/2020.js';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openapi } from './openapi.ts';
import { type TestMocks, testMocks } from './test-mocks.ts';

let on: TestMocks;
beforeAll(async () => {
  on = await testMocks(
    { openai: { latency: { fixed: 1 } }, qdrant: { latency: { fixed: 1 } } },
    100,
  );
});
afterAll(() => on.mocks.close());

const key = 'sk-kneepoint-tier-3-secret-suffix';

/** One embeddings request that passes, one that is refused, and one upsert, under names of their own. */
async function someTraffic(suffix: string) {
  const own = `sk-kneepoint-tier-1-${suffix}`;
  await on.admin('PATCH', `/profiles/tier-1-${suffix}`, { openai: { limits: { rpm: 1 } } });
  await on.embed(own);
  await on.embed(own);
  const headers = { 'api-key': `kneepoint-free-${suffix}`, 'content-type': 'application/json' };
  const put = (path: string, body: unknown) =>
    fetch(`${on.mocks.qdrantUrl}${path}`, { method: 'PUT', headers, body: JSON.stringify(body) });
  await (await put('/collections/docs', { vectors: { size: 2, distance: 'Dot' } })).text();
  const points = [{ id: 1, vector: [1, 2] }];
  const upsert = await put('/collections/docs/points?wait=true', { points });
  expect([upsert.status, await upsert.text()]).toEqual([200, expect.any(String)]);
}

describe('the description', () => {
  const described = openapi('1.2.3');
  const ajv = new Ajv2020({ strict: false });
  ajv.addSchema(described, 'openapi');
  const check = (path: string, method: string, status: number, value: unknown) => {
    const at = `/paths/${path.replaceAll('/', '~1')}/${method}/responses/${status}`;
    const pointer = `${at}/content/application~1json/schema`
      .replaceAll('{', '%7B')
      .replaceAll('}', '%7D');
    const validate = ajv.getSchema(`openapi#${pointer}`);
    if (!validate) throw new Error(`not described: ${at}`);
    validate(value);
    expect(validate.errors ?? []).toEqual([]);
  };

  test('is served', async () => {
    const { json } = await on.admin('GET', '/openapi.json');
    expect(json).toEqual(described);
  });

  test('has every route, and no other', async () => {
    for (const [path, methods] of Object.entries(described.paths))
      for (const method of Object.keys(methods)) {
        const real = path.replace('{name}', 'tier-1-described');
        const { status, json } = await on.admin(
          method.toUpperCase(),
          real,
          method === 'patch' ? {} : undefined,
        );
        expect(json?.error ?? '', `${method} ${path}`).not.toMatch(/^no route/);
        if (path !== '/metrics') check(path, method, status, json);
      }
  });

  test('fits what is answered', async () => {
    await someTraffic('described');
    const faults = [{ on: 'openai', kind: 'latency', ms: 5 }];
    for (const [method, path, body, template] of [
      [
        'patch',
        '/profiles/tier-1-described',
        { faults, expiresAfterSeconds: 99 },
        '/profiles/{name}',
      ],
      ['patch', '/profiles/tier-1-described', { workload: {} }, '/profiles/{name}'],
      ['get', '/profiles/free-described', undefined, '/profiles/{name}'],
      ['get', '/profiles/tier-1-described', undefined, '/profiles/{name}'],
      ['get', '/profiles/bogus', undefined, '/profiles/{name}'],
      ['get', '/profiles', undefined, '/profiles'],
      ['get', '/journal', undefined, '/journal'],
      ['get', '/journal?limit=x', undefined, '/journal'],
    ] as const) {
      const { status, json } = await on.admin(method.toUpperCase(), path, body);
      check(template, method, status, json);
    }
  });
});

test('the list names the services of each profile', async () => {
  await someTraffic('list');
  const { json } = await on.admin('GET', '/profiles');
  expect(json.profiles).toContainEqual(
    expect.objectContaining({
      name: 'tier-1-list',
      services: ['openai'],
      tier: 'tier-1',
      plan: null,
    }),
  );
  expect(json.profiles).toContainEqual(
    expect.objectContaining({ name: 'free-list', services: ['qdrant'], tier: null, plan: 'free' }),
  );
});

describe('the journal', () => {
  test('never has a key, wherever the client put it', async () => {
    await on.admin('DELETE', '/journal');
    await on.embed(key, `my key is ${key}`, { cookie: 'session=abcdefgh' });
    await on.embed('sk-proj-a-real-key-0123456789');
    await (
      await fetch(`${on.mocks.qdrantUrl}/collections/${key}?key=${key}`, {
        headers: { 'api-key': key },
      })
    ).text();
    const { text, json } = await on.admin('GET', '/journal');
    expect(json.entries).toHaveLength(3);
    for (const secret of [key, 'abcdefgh', 'sk-proj-a-real-key-0123456789'])
      expect(text).not.toContain(secret);
    expect(json.entries[0].body).toContain('my key is [redacted]');
  });

  test('is bounded, and read by limit and since', async () => {
    await on.admin('DELETE', '/journal');
    for (let left = 20; left > 0; left--)
      await Promise.all(Array.from({ length: 55 }, () => on.embed(key)));
    const { json } = await on.admin('GET', '/journal?limit=1000');
    expect([json.kept, json.entries.length]).toEqual([1_000, 1_000]);
    expect(json.entries.at(-1).number).toBe(json.last);
    const next = await on.admin('GET', `/journal?since=${json.last - 5}&limit=2`);
    expect(next.json.entries.map(({ number }: { number: number }) => number)).toEqual([
      json.last - 4,
      json.last - 3,
    ]);
    expect((await on.admin('GET', `/journal?since=${json.last}`)).json.entries).toEqual([]);
  });

  test('shows a wrong base URL', async () => {
    await fetch(`${on.mocks.openaiUrl}/v1/embeddings`, { method: 'POST' });
    const { json } = await on.admin('GET', '/journal?limit=1');
    expect(json.entries).toMatchObject([{ path: '/v1/v1/embeddings', status: 404, kind: 'other' }]);
  });
});

test('statistics tell a known sequence', async () => {
  await someTraffic('known');
  const openai = (await on.admin('GET', '/profiles/tier-1-known')).json.openai;
  expect(openai.statistics).toMatchObject({
    requests: 2,
    byStatus: { 200: 1, 429: 1 },
    rateLimited: { rpm: 1 },
    attemptsPerSuccess: 2,
    waits: { obeyed: 0, early: 0, unknown: 0, pending: 1 },
    tokens: 1,
  });
  expect(openai.statistics.seconds).toBeGreaterThan(0);
  expect(openai.models[0].buckets[0]).toMatchObject({ name: 'rpm', limit: 1, remaining: 0 });
  const qdrant = (await on.admin('GET', '/profiles/free-known')).json.qdrant;
  expect(qdrant.statistics).toMatchObject({ byStatus: { 200: 2 }, points: 1 });
  expect(qdrant.upserts.points).toBe(1);
  const { json } = await on.admin('GET', '/journal?profile=tier-1-known');
  expect(json.entries).toMatchObject([
    { status: 200, kind: 'embeddings', run: 'tier-1-known' },
    { status: 429, kind: 'embeddings', refusedBy: 'rpm', answer: expect.stringContaining('Rate') },
  ]);
});

test('a reset forgets the statistics', async () => {
  await someTraffic('again');
  await on.admin('POST', '/profiles/tier-1-again/reset');
  await on.embed('sk-kneepoint-tier-1-again');
  const { json } = await on.admin('GET', '/profiles/tier-1-again');
  expect(json.openai.statistics.requests).toBe(1);
});

test('the official client is seen to wait as long as it was told', async () => {
  const lab = { openai: { latency: { fixed: 1 }, burstSeconds: 0.2, limits: { rpm: 300 } } };
  const { mocks, admin, embed } = await testMocks(lab, 1);
  const client = new OpenAI({
    baseURL: mocks.openaiUrl,
    apiKey: 'sk-kneepoint-lab',
    maxRetries: 5,
  });
  const model = 'text-embedding-3-small';
  for (const input of ['one', 'two', 'three']) await client.embeddings.create({ model, input });
  const waitsNow = async () => (await admin('GET', '/profiles/lab')).json.openai.statistics.waits;
  const waits = await waitsNow();
  expect(waits).toMatchObject({ early: 0, unknown: 0, pending: 0 });
  expect(waits.obeyed).toBeGreaterThan(0);
  // One that comes again at once.
  for (let left = 3; left > 0; left--) await embed('sk-kneepoint-lab', 'four');
  expect((await waitsNow()).early).toBeGreaterThan(0);
  await mocks.close();
});
