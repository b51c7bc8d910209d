import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { QdrantClient } from '@qdrant/js-client-rest';
import { HttpResponse, http } from 'msw/http';
import { setupServer } from 'msw/node';
import OpenAI from 'openai';
import { afterEach, beforeAll, expect, test, vi } from 'vitest';
import { manualClock, openai, qdrant } from '../mocks/msw.ts';

const model = 'text-embedding-3-small';
let server: ReturnType<typeof setupServer> | undefined;

const listen = (...handlers: Parameters<typeof setupServer>) => {
  server = setupServer(...handlers);
  server.listen({ onUnhandledFrame: 'error' });
};

beforeAll(() => {
  vi.spyOn(console, 'error').mockImplementation(() => {});
  return () => vi.restoreAllMocks();
});
const close = () => {
  server?.close();
  server = undefined;
};
afterEach(close);

const embeddings = (options: { apiKey?: string; baseURL?: string } = {}) =>
  new OpenAI({ apiKey: 'sk-any', maxRetries: 0, ...options }).embeddings;
const embed = (input = 'text') => embeddings().create({ model, input, dimensions: 4 });

/** A lab whose three requests a minute are soon used up. */
const threeAMinute = { openai: { limits: { rpm: 3 } } };

test('a manual clock refills the limits, and nothing else does', async () => {
  const clock = manualClock();
  listen(...openai({ tier: 'tier-1', lab: threeAMinute, clock }));
  for (let at = 0; at < 3; at++) await embed();
  const refusal = await embed().catch((error: unknown) => error);
  expect(refusal).toBeInstanceOf(OpenAI.RateLimitError);
  await expect(embed()).rejects.toMatchObject({ status: 429 });
  clock.advance(60_000);
  await embed();
});

test('reset gives back what was used, and takes back what was stored', async () => {
  const limits = openai({ lab: threeAMinute, clock: manualClock() });
  const store = qdrant({ plan: 'free' });
  listen(...limits, ...store);
  for (let at = 0; at < 3; at++) await embed();
  await expect(embed()).rejects.toMatchObject({ status: 429 });
  const client = new QdrantClient({ url: 'https://db.qdrant.test', apiKey: 'any' });
  await client.createCollection('docs', { vectors: { size: 4, distance: 'Dot' } });
  limits.reset();
  store.reset();
  await embed();
  expect(await client.collectionExists('docs')).toEqual({ exists: false });
});

test('each call has a state of its own', async () => {
  const lab = { openai: { limits: { rpm: 1 } } };
  const clock = manualClock();
  const [one, other] = ['https://one.test/v1', 'https://other.test/api'];
  listen(...openai({ lab, clock, baseUrl: one }), ...openai({ lab, clock, baseUrl: other }));
  const ask = (baseURL: string) => embeddings({ baseURL }).create({ model, input: 'x' });
  await ask(one!);
  await expect(ask(one!)).rejects.toMatchObject({ status: 429 });
  await ask(other!);
});

test('any key is let in, unless some are named', async () => {
  listen(...openai({ keys: ['sk-mine'] }), ...qdrant({ keys: ['mine'] }));
  await embeddings({ apiKey: 'sk-mine' }).create({ model, input: 'x' });
  await expect(embed()).rejects.toMatchObject({ status: 401, code: 'invalid_api_key' });
  const client = new QdrantClient({ url: 'https://db.qdrant.test', apiKey: 'other' });
  await expect(client.getCollections()).rejects.toMatchObject({ status: 401 });
});

test('answers come at once, or when the clock says so', async () => {
  const lab = { openai: { latency: { fixed: 60_000 } } };
  listen(...openai({ lab }));
  await embed();
  close();

  const clock = manualClock();
  listen(...openai({ lab, clock, latency: 'lab' }));
  let done = false;
  const answer = embed().then(() => {
    done = true;
  });
  await clock.waiting();
  clock.advance(59_999);
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(done).toBe(false);
  clock.advance(1);
  await answer;
  expect(() => clock.advance(-1)).toThrow(RangeError);
});

test('on the real clock an answer takes what the lab says, divided by the speed', async () => {
  const lab = { openai: { latency: { fixed: 2_000 } } };
  listen(...openai({ lab, latency: 'lab', speed: 10 }));
  const before = performance.now();
  await embed();
  expect(performance.now() - before).toBeGreaterThanOrEqual(195);
});

test('broken connections are network errors, broken answers are what they are over HTTP', async () => {
  const kinds = ['reset', 'close', 'reset-body', 'short-body', 'garbage', 'stall'] as const;
  for (const kind of kinds) {
    listen(...openai({ lab: { faults: [{ on: 'embeddings', kind, probability: 1 }] } }));
    await expect(embed(), kind).rejects.toBeInstanceOf(OpenAI.APIConnectionError);
    close();
  }
  listen(...openai({ lab: { faults: [{ on: 'embeddings', kind: 'dribble', probability: 1 }] } }));
  expect((await embed()).data).toHaveLength(1);
  close();
  const status = { on: 'embeddings', kind: 'status', status: 503, probability: 1 } as const;
  listen(...openai({ lab: { faults: [status] } }));
  await expect(embed()).rejects.toMatchObject({ status: 503 });
});

test('leaves alone what is not its own', async () => {
  const app = http.all('*', ({ request }) =>
    HttpResponse.text(`app ${new URL(request.url).pathname}`),
  );
  listen(...openai(), ...qdrant(), app);
  const textAt = async (url: string) => await (await fetch(url)).text();
  for (const path of ['/', '/healthz', '/v1/users', '/v1', '/v2/embeddings', '/my-collections'])
    expect(await textAt(`http://app.test${path}`)).toBe(`app ${path}`);
  expect(await textAt('https://api.openai.com/v1/users')).toContain('Invalid URL (GET /v1/users)');
  close();
  listen(
    ...openai({ baseUrl: 'https://own.test/v1/' }),
    ...qdrant({ baseUrl: 'https://own.test/q' }),
    app,
  );
  for (const path of ['/v1/embeddings', '/collections'])
    expect(await textAt(`http://app.test${path}`)).toBe(`app ${path}`);
  expect(await textAt('https://own.test/v1/embedding')).toContain('Invalid URL');
  expect(await textAt('https://own.test/q')).toContain('"version"');
});

test('says what is wrong with its options', () => {
  expect(() => openai({ tier: 'tier-9' as 'tier-1' })).toThrow(
    /^openai\(\): openai\.tier: "tier-9"/,
  );
  expect(() => qdrant({ lab: { qdrant: { slot: 1 } } as object })).toThrow(/did you mean slots/);
  expect(() => openai({ speed: 0 })).toThrow(/speed/);
});

test('which clients are intercepted that were made before MSW listened', async () => {
  const key = { apiKey: 'sk-any', maxRetries: 0, baseURL: 'https://nowhere.invalid/v1' };
  const keeps = new OpenAI(key);
  const looks = new OpenAI({ ...key, fetch: (...args) => fetch(...args) });
  const options = { url: 'https://nowhere.invalid', apiKey: 'any', checkCompatibility: false };
  const store = new QdrantClient(options);
  listen(...openai(), ...qdrant());
  const ask = { model, input: 'text', dimensions: 4 };
  await expect(keeps.embeddings.create(ask)).rejects.toBeInstanceOf(OpenAI.APIConnectionError);
  expect((await looks.embeddings.create(ask)).data).toHaveLength(1);
  expect(await store.getCollections()).toEqual({ collections: [] });
});

test('the function of docs/doors.md lets loopback through, and nothing else', async () => {
  const own = createServer((_request, answer) => answer.end('own')).listen(0, '127.0.0.1');
  try {
    await once(own, 'listening');
    server = setupServer(...openai());
    server.listen({
      onUnhandledFrame({ frame }) {
        const { request } = frame.data as { request?: Request };
        if (request && new URL(request.url).hostname !== '127.0.0.1')
          throw new Error(`nothing answers ${request.url}`);
      },
    });
    const { port } = own.address() as AddressInfo;
    expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe('own');
    expect((await fetch('https://nowhere.invalid/')).status).toBe(500);
  } finally {
    own.close();
  }
});
