import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import {
  type Bench,
  batches,
  chunks,
  dimensions,
  openBench,
  scarce,
  vectorFor,
  writeLimited,
} from './bench.ts';
import {
  expectHintsKept,
  expectWaits,
  patienceMs,
  refusal,
  retryCases,
  type SdkProfile,
} from './cases.ts';
import { type Line, runPython } from './python/run.ts';

const python = inject('python');
const generations: ['openai-3' | 'openai-2', SdkProfile][] = [
  ['openai-3', 'openai-python-3'],
  ['openai-2', 'openai-python-2'],
];

let bench: Bench;
beforeAll(async () => {
  bench = await openBench();
});
afterAll(() => bench.close());

/** Processes are started once, by the first test that asks for their results. */
const started = new Map<string, Promise<Map<string, Line>>>();
async function linesOf(
  environment: 'openai-3' | 'openai-2',
  suite: string,
  prepare: () => Record<string, unknown>,
): Promise<(name: string) => Line> {
  if ('missing' in python) throw new Error(python.missing);
  const { interpreters, tiktokenFolder } = python;
  const id = `${environment} ${suite}`;
  const run =
    started.get(id) ??
    runPython(interpreters[environment], suite, prepare(), bench, tiktokenFolder);
  started.set(id, run);
  const lines = await run;
  return (name) =>
    lines.get(name) ?? expect.unreachable(`client.py said nothing about ${suite} ${name}`);
}

const float32 = (values: unknown) => (values as number[]).map(Math.fround);

if ('missing' in python) test.skip(`the Python clients: ${python.missing}`, () => {});
// One after the other: eight processes at a time would mostly import.
else
  describe.each(generations)('%s', (environment, profile) => {
    describe.concurrent.each(['openai-sync', 'openai-async'])('%s', (suite) => {
      const prefix = `${environment}-${suite}`;
      const keyOf = (name: string) => bench.openaiKey(`${prefix}-${name}`);
      const wrongs = {
        'wrong-key': ['AuthenticationError', 401, 'invalid_api_key', null],
        'wrong-model': ['NotFoundError', 404, 'model_not_found', null],
        'wrong-dimensions': ['BadRequestError', 400, null, 'dimensions'],
      } as const;

      const prepare = () => {
        const cases: Record<string, unknown>[] = retryCases.map(
          ({ name, replies, timeoutMs, expected }) => {
            bench.openai.script(keyOf(name), replies);
            return {
              name,
              key: keyOf(name),
              dimensions,
              ...(timeoutMs ? { timeoutMs } : {}),
              ...(expected(profile).end === 'waiting' ? { patienceMs } : {}),
            };
          },
        );
        const text = { input: 'one text', dimensions };
        cases.push(
          { name: 'wrong-key', key: `sk-bogus-${prefix}` },
          { name: 'wrong-model', key: keyOf('wrong-model'), model: 'none' },
          { name: 'wrong-dimensions', key: keyOf('wrong-dimensions'), dimensions: 0 },
          { name: 'base64', key: keyOf('base64'), ...text },
          { name: 'float', key: keyOf('float'), ...text, format: 'float' },
        );
        return {
          cases,
          warm: { name: 'warm', key: keyOf('warm') },
        };
      };
      const lines = () => linesOf(environment, suite, prepare);

      for (const { name, timeoutMs, expected } of retryCases)
        test(`waits as documented: ${name}`, async () => {
          const { end, error, value, tookMs } = (await lines())(name);
          const { waits, end: expectedEnd } = expected(profile);
          const visits = bench.openai.visits(keyOf(name));
          expect(end).toBe(expectedEnd);
          expectWaits(visits, waits);
          const counts = visits.map(({ headers }) => headers['x-stainless-retry-count']);
          expect(counts).toEqual(['0', '1', '2'].slice(0, visits.length));
          if (end === 'ok') expect(float32(value)).toEqual(vectorFor(name));
          if (end !== 'error') return;
          if (timeoutMs) {
            expect(error).toMatchObject({ class: 'APITimeoutError' });
            expect(tookMs).toBeGreaterThanOrEqual(3 * timeoutMs + 375 + 750 - 6);
            return;
          }
          expect(error).toMatchObject({
            class: 'RateLimitError',
            status: 429,
            code: name === 'quota' ? 'insufficient_quota' : refusal.code,
            type: refusal.type,
            request_id: refusal.requestId,
            message: expect.stringContaining(refusal.message),
            headers: { 'x-ratelimit-limit-tokens': refusal.limitTokens },
          });
        });

      test('raises what is wrong at once, by the class of its status', async () => {
        const line = await lines();
        for (const [name, [type, status, code, param]] of Object.entries(wrongs)) {
          const fields = { class: type, status, code, param, type: 'invalid_request_error' };
          expect(line(name)).toMatchObject({ end: 'error', error: fields });
          const key = name === 'wrong-key' ? `sk-bogus-${prefix}` : keyOf(name);
          expect(bench.openai.visits(key), name).toHaveLength(1);
        }
      });

      test('reads the same vector from base64 as from floats', async () => {
        const line = await lines();
        expect(float32(line('base64').value)).toEqual(vectorFor('one text'));
        expect(float32(line('float').value)).toEqual(vectorFor('one text'));
        const formats = ['base64', 'float'].map(
          (name) => JSON.parse(bench.openai.visits(keyOf(name))[0]!.body).encoding_format,
        );
        expect(formats).toEqual(['base64', 'float']);
      });
    });

    describe.concurrent('ingests through 429s of both services', () => {
      const asked = [0, 59, 119];
      const ways = ['sync', 'async', 'upload', 'langchain'];
      const nameOf = (way: string) => `${environment}-ingest-${way}`;
      const prepare = () => {
        const keys = ways.map((way) => {
          const qdrant = bench.qdrantKey(nameOf(way));
          bench.qdrant.script(qdrant, [writeLimited(1), writeLimited(1)]);
          return [way, { openai: bench.openaiKey(nameOf(way), scarce), qdrant }];
        });
        const batchSize = batches[0]!.texts.length;
        return { keys: Object.fromEntries(keys), chunks, batchSize, dimensions, asked };
      };

      test.each(ways)('%s', async (way) => {
        const line = (await linesOf(environment, 'ingest', prepare))(way);
        expect(line.error).toBeUndefined();
        const { count, nearest, sample } = line.value as Record<string, unknown>;
        expect(count).toBe(chunks.length);
        expect(nearest).toEqual(asked.map((id) => [id, id]));
        expect(sample).toHaveLength(dimensions);
        const { seen } = bench.mocks.runs.openai(`lab-${nameOf(way)}`)!;
        expect(seen.embeddings - seen.rateLimited).toBe(batches.length);
        expect(seen.rateLimited).toBeGreaterThan(0);
        expectHintsKept(bench.openai.visits(bench.openaiKey(nameOf(way))));
        const upserts = bench.qdrant.visits(bench.qdrantKey(nameOf(way)));
        expect(upserts).toHaveLength(batches.length + 2);
        expectWaits(upserts.slice(0, 3), [
          [1_000, 1_000],
          [1_000, 1_000],
        ]);

        const inputs = bench.openai
          .visits(bench.openaiKey(nameOf(way)))
          .map(({ body }) => JSON.parse(body).input[0]);
        // LangChain counts tokens itself, and sends them in the place of the texts.
        const isToken = (value: unknown) => Array.isArray(value) && value.every(Number.isInteger);
        expect(inputs.every((input) => isToken(input))).toBe(way === 'langchain');
        if (way !== 'langchain') expect(float32(sample)).toEqual(vectorFor(chunks[0]!));
      });
    });

    describe.concurrent('qdrant-client', () => {
      // 1.18 counts its first try among the three of `max_retries`, 1.20 does not.
      const tries = environment === 'openai-3' ? 4 : 3;
      const scripts = {
        'upsert-limited': [writeLimited(60)],
        'upsert-bare': [writeLimited()],
        'upsert-stalled': ['stall' as const],
        'async-limited': [writeLimited(60)],
        'async-bare': [writeLimited()],
        'upload-limited': Array.from({ length: 5 }, () => writeLimited(1)),
        'upload-bare': Array.from({ length: tries }, () => writeLimited()),
        'upload-broken': Array.from({ length: tries - 1 }, () => ({ status: 500 })),
        'strict-mode': [],
        'wrong-size': [],
        'no-collection': [],
        'wrong-key': [],
      };
      const keyOf = (name: string) =>
        name === 'wrong-key' ? 'bogus' : bench.qdrantKey(`${environment}-${name}`);
      const visitsOf = (name: string) => bench.qdrant.visits(keyOf(name));
      const prepare = () => {
        for (const [name, replies] of Object.entries(scripts))
          bench.qdrant.script(keyOf(name), replies);
        return {
          keys: Object.fromEntries(Object.keys(scripts).map((name) => [name, keyOf(name)])),
        };
      };
      const lineOf = async (name: string) => (await linesOf(environment, 'qdrant', prepare))(name);

      test('never retries an upsert', async () => {
        for (const way of ['upsert', 'async']) {
          const limited = { class: 'ResourceExhaustedResponse', retry_after_s: 60 };
          expect(await lineOf(`${way}-limited`)).toMatchObject({ end: 'error', error: limited });
          expect(await lineOf(`${way}-bare`)).toMatchObject({
            error: {
              class: 'UnexpectedResponse',
              status: 429,
              content: expect.stringContaining('Write rate limit exceeded'),
            },
          });
          expect(visitsOf(`${way}-limited`)).toHaveLength(1);
          expect(visitsOf(`${way}-bare`)).toHaveLength(1);
        }
      });

      test('times out after 5 s by default', async () => {
        const { error, tookMs } = await lineOf('upsert-stalled');
        expect(error).toMatchObject({ class: 'ResponseHandlingException' });
        expect(error!.message).toBe('timed out');
        expect(tookMs).toBeGreaterThanOrEqual(4_998);
        expect(visitsOf('upsert-stalled')).toHaveLength(1);
      });

      test('uploads however often a 429 says when to come again', async () => {
        expect(await lineOf('upload-limited')).toMatchObject({ end: 'ok', value: 10 });
        // Its three retries are for other errors: these are not counted.
        expectWaits(
          visitsOf('upload-limited'),
          Array.from({ length: 5 }, () => [1_000, 1_000] as const),
        );
      });

      test('uploads in so many tries, and without a wait where nothing says when', async () => {
        const atOnce = Array.from({ length: tries - 1 }, () => [0, 0] as const);
        expect(await lineOf('upload-bare')).toMatchObject({
          end: 'error',
          error: { class: 'UnexpectedResponse', status: 429 },
        });
        expectWaits(visitsOf('upload-bare'), atOnce);
        expect(await lineOf('upload-broken')).toMatchObject({ end: 'ok', value: 10 });
        expectWaits(visitsOf('upload-broken'), atOnce);
      });

      test("keeps to the write limit of the mock's strict mode", async () => {
        expect(await lineOf('strict-mode')).toMatchObject({ end: 'ok', value: 3_600 });
        // 60 points a second come after the first 3,600: an upload of 64 waits for its own.
        expectHintsKept(visitsOf('strict-mode'));
        const admitted = visitsOf('strict-mode').filter(({ status }) => status === 200);
        expect(admitted).toHaveLength(3);
      });

      test('raises what is wrong at once', async () => {
        const wrongs = {
          'wrong-size': [400, 'Vector dimension error: expected dim: 4, got 3'],
          'no-collection': [404, "Collection `docs` doesn't exist!"],
          'wrong-key': [401, ''],
        } as const;
        for (const [name, [status, text]] of Object.entries(wrongs)) {
          const { error } = await lineOf(name);
          expect(error).toMatchObject({ class: 'UnexpectedResponse', status });
          expect(error!.content).toContain(text);
        }
      });
    });
  });
