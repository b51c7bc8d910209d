import { QdrantClient } from '@qdrant/js-client-rest';
import OpenAI, { RateLimitError } from 'openai';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Sighting } from '../../../mocks/observed.ts';
import type { Mocks } from '../../../mocks/server.ts';
import { createStatistics } from '../../../mocks/statistics.ts';
import { createMeter } from '../../engines/meter.ts';
import { completeLab } from '../../model/lab.ts';
import { openMocks } from '../open-mocks.ts';
import { type PassThrough, type PassThroughOptions, startPassThrough } from './pass-through.ts';

/** The mocks stand for the real services. */
const lab = completeLab({
  openai: { tier: 'tier-1', latency: { fixed: 0 } },
  qdrant: { latency: { fixed: 0 } },
});
const model = 'text-embedding-3-small';
const openaiKey = 'sk-kneepoint-lab-a1b2c3d4e5f6';
const qdrantKey = 'kneepoint-lab-a1b2c3d4e5f6';

let mocks: Mocks;
let through: PassThrough;
let seen: Sighting[];

const start = async (given = lab, more: Partial<PassThroughOptions> = {}): Promise<void> => {
  const ports = { openai: 0, qdrant: 0, records: 0, admin: 0 };
  mocks = await openMocks(given, 1, '127.0.0.1', ports);
  const { openaiUrl, qdrantUrl } = mocks;
  const sink = (sighting: Sighting) => void seen.push(sighting);
  through = await startPassThrough({ openaiUrl, qdrantUrl, sink, ...more });
};

beforeEach(() => {
  seen = [];
  // The Qdrant client warns of each key that it sends over plain HTTP.
  vi.spyOn(console, 'warn').mockImplementation(() => {});
});
afterEach(async () => {
  vi.restoreAllMocks();
  await through.close();
  await mocks.close();
});

const openaiOf = ({ openaiUrl }: { openaiUrl: string }, apiKey = openaiKey, maxRetries = 0) =>
  new OpenAI({ baseURL: openaiUrl, apiKey, maxRetries });
const qdrantOf = ({ qdrantUrl }: { qdrantUrl: string }, apiKey = qdrantKey) =>
  new QdrantClient({ url: qdrantUrl, apiKey });

/** What the promise is rejected with. */
const failure = (promise: PromiseLike<unknown>): Promise<unknown> =>
  Promise.resolve(promise).then(
    () => expect.unreachable('should have been refused'),
    (error: unknown) => error,
  );
const kindsSeen = () => seen.map(({ answer }) => `${answer.about!.kind} ${answer.status}`);

describe('the official clients', () => {
  test('get the same embeddings, limits and errors with and without it', async () => {
    await start();
    const ask = { model, input: ['one text', 'another'] };
    const [near, far] = [openaiOf(through), openaiOf(mocks)];
    const [passed, direct] = [await near.embeddings.create(ask), await far.embeddings.create(ask)];
    expect(passed).toEqual(direct);
    const { response } = await near.embeddings.create(ask).withResponse();
    expect(response.headers.get('x-ratelimit-limit-tokens')).toBe('1000000');
    const wrong = { ...ask, model: 'no-such-model' };
    const [error, directError] = [
      (await failure(near.embeddings.create(wrong))) as Error,
      (await failure(far.embeddings.create(wrong))) as Error,
    ];
    expect(error.message).toBe(directError.message);
    await through.settled();
    expect(kindsSeen()).toEqual(['embeddings 200', 'embeddings 200', 'embeddings 404']);
    expect(seen[0]!.answer.about!.tokens).toBe(passed.usage.total_tokens);
    expect(through.limits()).toEqual({ [model]: { requests: 3_000, tokens: 1_000_000 } });
  });

  test('store the same points', async () => {
    await start();
    const client = qdrantOf(through);
    await client.createCollection('docs', { vectors: { size: 2, distance: 'Dot' } });
    const points = [1, 2, 3].map((id) => ({ id, vector: [id, 1], payload: { name: `n${id}` } }));
    expect(await client.upsert('docs', { points })).toMatchObject({ status: 'completed' });
    await client.upsert('docs', {
      batch: {
        ids: [4, 5],
        vectors: [
          [4, 1],
          [5, 1],
        ],
      },
    });
    const [passed, direct] = await Promise.all(
      [client, qdrantOf(mocks)].map((one) =>
        one.scroll('docs', { limit: 10, with_vector: true, with_payload: true }),
      ),
    );
    expect(passed).toEqual(direct);
    expect(passed!.points).toHaveLength(5);
    const query = { query: [1, 0], limit: 2 };
    expect((await client.query('docs', query)).points).toEqual(
      (await qdrantOf(mocks).query('docs', query)).points,
    );
    expect(((await failure(client.upsert('none', { points }))) as Error).message).toContain(
      'Not Found',
    );
    await through.settled();
    const upserts = seen.filter(({ answer }) => answer.about!.kind === 'upsert');
    expect(upserts.map(({ answer }) => [answer.status, answer.about!.points])).toEqual([
      [200, 3],
      [200, 2],
      [404, undefined],
    ]);
  });

  test('20 MB of points arrive', async () => {
    await start();
    const client = qdrantOf(through);
    await client.createCollection('big', { vectors: { size: 1_536, distance: 'Dot' } });
    // About 30 kB each, as real ones have.
    const vector = Array.from({ length: 1_536 }, (_, at) => Math.sin(at + 1));
    const points = Array.from({ length: 700 }, (_, id) => ({ id, vector }));
    await client.upsert('big', { points });
    expect((await client.count('big')).count).toBe(700);
    const last = { ids: [699], with_vector: true };
    const [passed, direct] = [client, qdrantOf(mocks)].map((one) => one.retrieve('big', last));
    // Answers of vectors: `toEqual` would print all of the numbers.
    expect(JSON.stringify(await passed) === JSON.stringify(await direct)).toBe(true);
    await through.settled();
    const upsert = seen.find(({ answer }) => answer.about!.kind === 'upsert')!;
    expect(upsert.answer.about!.points).toBe(700);
    expect(upsert.bytes.length).toBeGreaterThan(20e6);
  });

  test('what the service does not take is refused in its own words', async () => {
    await start();
    const body = Buffer.alloc(40_000_000, ' ');
    const ask = { method: 'PUT', headers: { 'api-key': qdrantKey }, body };
    const answers = await Promise.all(
      [through, mocks].map(async ({ qdrantUrl }) => {
        const answer = await fetch(`${qdrantUrl}/collections/big/points`, ask);
        return [answer.status, ((await answer.json()) as { status: unknown }).status];
      }),
    );
    expect(answers[0]).toEqual(answers[1]);
    expect(answers[0]![0]).toBe(400);
    // The connection is free for the next one.
    await qdrantOf(through).getCollections();
  });
});

describe('refusals', () => {
  const refusing = (faults: object) =>
    completeLab({
      ...lab,
      faults: [{ on: 'embeddings', kind: 'status', status: 429, ...faults }],
    } as never);

  test('are counted by the limit that refused', async () => {
    await start(
      completeLab({ openai: { tier: 'free', limits: { rpm: 2, rpd: 4 }, latency: { fixed: 0 } } }),
    );
    const client = openaiOf(through);
    const ask = () => client.embeddings.create({ model, input: 'text' });
    await ask();
    await ask();
    for (let turn = 0; turn < 3; turn++)
      expect(await failure(ask())).toBeInstanceOf(RateLimitError);
    await through.settled();
    const [first, ...more] = seen.filter(({ answer }) => answer.status === 429);
    expect(first!.answer.about).toMatchObject({ refusedBy: 'rpm' });
    expect(first!.answer.about!.hintMs).toBeGreaterThan(1_000);
    // Refusals cost requests of the day as well.
    expect(more.at(-1)!.answer.about!.refusedBy).toBe('rpd');
  });

  test('of tokens, of an account that cannot pay', async () => {
    await start(completeLab({ openai: { limits: { tpm: 3_000 }, latency: { fixed: 0 } } }));
    const ask = (apiKey: string, bytes: number) =>
      openaiOf(through, apiKey).embeddings.create({ model, input: 'x '.repeat(bytes / 2) });
    await ask(openaiKey, 8_000);
    expect(await failure(ask(openaiKey, 8_000))).toBeInstanceOf(RateLimitError);
    await through.close();
    await mocks.close();
    await start(completeLab({ openai: { quota: 'insufficient_quota' } }));
    expect(await failure(ask(openaiKey, 8))).toBeInstanceOf(RateLimitError);
    await through.settled();
    expect(seen.map(({ answer }) => answer.about!.refusedBy)).toEqual([undefined, 'tpm', 'quota']);
  });

  test('that tell how long to wait show whether the client did', async () => {
    await start(refusing({ first: 2, retryAfterSeconds: 1 }));
    await openaiOf(through, openaiKey, 2).embeddings.create({ model, input: 'obeys' });
    const statistics = createStatistics();
    await through.settled();
    for (const sighting of seen) statistics.add(sighting, 1);
    expect(statistics.view()).toMatchObject({
      requests: 3,
      byStatus: { 200: 1, 429: 2 },
      attemptsPerSuccess: 3,
      waits: { obeyed: 2, early: 0, unknown: 0, pending: 0 },
    });
    await through.close();
    await mocks.close();
    await start(refusing({ first: 1, retryAfterSeconds: 30 }));
    const impatient = openaiOf(through);
    await failure(impatient.embeddings.create({ model, input: 'does not' }));
    await impatient.embeddings.create({ model, input: 'does not' });
    await through.settled();
    for (const sighting of seen.slice(3)) statistics.add(sighting, 1);
    expect(statistics.view().waits).toMatchObject({ obeyed: 2, early: 1 });
  });

  test("are what an engine's meter counts", async () => {
    const meter = createMeter();
    await start(refusing({ first: 1, retryAfterSeconds: 1 }), meter);
    await openaiOf(through, openaiKey, 2).embeddings.create({ model, input: 'text' });
    await through.settled();
    expect(meter.traffic().openai).toMatchObject({ requests: 2, succeeded: 1 });
  });
});

test('no key is in anything that is told, nor in what is said of spending and limits', async () => {
  await start();
  const secrets = [openaiKey, qdrantKey, 'sk-wrong-0123456789-wxyz', 'query-secret'];
  const written = [process.stdout, process.stderr].map((stream) => vi.spyOn(stream, 'write'));
  await openaiOf(through).embeddings.create({
    model,
    input: `my key is ${openaiKey}`,
    user: openaiKey,
  });
  await failure(openaiOf(through, secrets[2]).embeddings.create({ model, input: 'x' }));
  const client = qdrantOf(through);
  await client.getCollections();
  await client.createCollection('docs', { vectors: { size: 1, distance: 'Dot' } });
  await client.upsert('docs', { points: [{ id: 1, vector: [1], payload: { key: qdrantKey } }] });
  await failure(qdrantOf(through, 'wrong-0123456789').getCollections());
  await fetch(`${through.qdrantUrl}/collections?api-key=${secrets[3]}`);
  await fetch(`${through.openaiUrl}/${openaiKey}`, {
    headers: { authorization: `Bearer ${openaiKey}` },
  });
  await through.settled();
  expect(seen.length).toBeGreaterThanOrEqual(9);
  const told = JSON.stringify([seen, through.spending(), through.limits(), through.hosts]);
  const bodies = seen.map(({ bytes }) => Buffer.from(bytes).toString()).join();
  const output = JSON.stringify(written.map(({ mock }) => mock.calls));
  for (const secret of [...secrets, 'wrong-0123456789', 'wxyz'])
    for (const text of [told, bodies, output]) expect(text).not.toContain(secret);
});

test('requests belong to the run that was begun when they came', async () => {
  await start();
  const ask = () => openaiOf(through).embeddings.create({ model, input: 'text' });
  through.begin('one');
  await ask();
  through.begin('two');
  await Promise.all([ask(), ask()]);
  await through.settled();
  expect(seen.map(({ answer }) => answer.about!.run)).toEqual(['one', 'two', 'two']);
});

describe('the spending limit', () => {
  test('refuses, in words that no SDK tries again, and marks the run', async () => {
    // 1,000 tokens cost $0.00002.
    await start(lab, { maxCostUsd: 0.00005 });
    const client = openaiOf(through, openaiKey, 2);
    const ask = () => client.embeddings.create({ model, input: 'word '.repeat(1_000) });
    const { usage } = await ask();
    expect(usage.total_tokens).toBeGreaterThan(900);
    await ask();
    expect(through.spending()).toMatchObject({ exceeded: false, tokens: 2 * usage.total_tokens });
    const error = (await failure(ask())) as InstanceType<typeof OpenAI.PermissionDeniedError>;
    expect(error).toBeInstanceOf(OpenAI.PermissionDeniedError);
    expect(error.message).toContain('--max-cost 0.00005 is reached');
    await through.settled();
    expect(kindsSeen()).toEqual(['embeddings 200', 'embeddings 200', 'embeddings 403']);
    expect(seen.at(-1)!.answer.about!.refusedBy).toBe('max-cost');
    expect(through.spending()).toMatchObject({ exceeded: true, refused: 1 });
    expect(through.spending().usd).toBeLessThanOrEqual(0.00005);
  });

  test('holds when all ask at once', async () => {
    await start(lab, { maxCostUsd: 0.0001 });
    const client = openaiOf(through);
    const input = 'word '.repeat(1_000);
    const asked = Array.from({ length: 20 }, () => client.embeddings.create({ model, input }));
    const outcomes = await Promise.allSettled(asked);
    const passed = outcomes.filter(({ status }) => status === 'fulfilled').length;
    expect(passed).toBeGreaterThan(0);
    expect(passed).toBeLessThan(20);
    await through.settled();
    expect(through.spending().usd).toBeLessThanOrEqual(0.0001);
    expect(through.spending()).toMatchObject({ exceeded: true, refused: 20 - passed });
  });

  test('lets nothing pass that has no price, and reading the models', async () => {
    await start(lab, { maxCostUsd: 1 });
    const client = openaiOf(through);
    const chat = client.chat.completions.create({ model: 'gpt', messages: [] });
    expect(((await failure(chat)) as Error).message).toContain('only embeddings pass');
    const other = client.embeddings.create({ model: 'my-model', input: 'x' });
    expect(((await failure(other)) as Error).message).toContain('no price of the model "my-model"');
    expect((await client.models.list()).data.length).toBeGreaterThan(0);
    expect(through.spending()).toMatchObject({
      exceeded: false,
      refused: 2,
      refusal: expect.stringContaining('a POST to elsewhere has no known price'),
    });
  });
});
