import { execFileSync, spawnSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test, vi } from 'vitest';
import { withConnection } from '../../src/services/mysql/connect.ts';
import { openGate } from '../clients/gate.ts';
import { type Bench, examples, openBench, scarce } from './bench.ts';
import { membersOf, privateMb, pssMb, until } from './start-command.ts';

const hasUv = spawnSync('uv', ['--version']).status === 0;
if (!hasUv) {
  process.stderr.write('SKIPPED, no uv: https://docs.astral.sh/uv\n');
  if (process.env.KNEEPOINT_REQUIRE_PYTHON === '1')
    throw new Error('KNEEPOINT_REQUIRE_PYTHON=1, and uv is missing');
}
const runnable = examples.filter(({ name }) => hasUv || name !== 'rag_python');
const chunksPerRecord = 8;

/** What the one line on stdout says. */
function summaryOf(stdout: string) {
  const found =
    /^(\d+) records \((\d+) chunks\) in [\d.]+ s; 429s: (\d+); failed records: (\d+)\n$/.exec(
      stdout,
    );
  if (!found) throw new Error(`no summary: ${JSON.stringify(stdout)}`);
  const [records, chunks, refusals, failed] = found.slice(1).map(Number);
  return { records, chunks, refusals, failed };
}

const whole = (records: number) => ({ records, chunks: records * chunksPerRecord, failed: 0 });

describe.each(inject('mysqlBinaries'))('$version', (binary) => {
  let bench: Bench;
  beforeAll(async () => {
    vi.spyOn(console, 'warn').mockImplementation(() => {});
    if (hasUv) execFileSync('uv', ['sync', '--quiet', '--locked'], { cwd: examples[0]!.cwd });
    bench = await openBench(binary);
  });
  afterAll(async () => {
    vi.restoreAllMocks();
    await bench?.close();
  });
  beforeEach(() => bench.reset());

  describe.each(runnable)('$name', (example) => {
    /** Every record with each of its chunks, once. */
    const storedFrom = async (name: string) =>
      (await bench.points(example, name)).map(
        ({ payload }) => `${payload.record_id}/${payload.chunk}`,
      );

    test.each([1, 2, 5, 10, 20])('the command as written, %i workers', async (workers) => {
      const name = `${example.name}-${workers}`;
      const { exitCode, stdout, stderr } = await bench.run(
        example,
        `--max-records 100 --workers ${workers}`,
        bench.env(name),
      );
      expect(exitCode, stderr).toBe(0);
      expect(summaryOf(stdout)).toEqual({ ...whole(100), refusals: 0 });
      const expected = Array.from({ length: 800 }, (_, at) => `${(at >> 3) + 1}/${at % 8}`);
      expect((await storedFrom(name)).sort()).toEqual(expected.sort());
      expect(await bench.unmigrated()).toBe(0);
      const at = new Set(stderr.match(/worker-\d+(?= started)/g));
      expect(at.size).toBe(workers);
    });

    test('does no more than it may, in claims of several records', async () => {
      const name = `${example.name}-some`;
      const { exitCode, stdout } = await bench.run(
        example,
        '--max-records 30 --workers 4 --claim-size 7',
        { ...bench.env(name), BATCH_SIZE: '20' },
      );
      expect(exitCode).toBe(0);
      expect(summaryOf(stdout)).toMatchObject(whole(30));
      expect(await bench.unmigrated()).toBe(70);
      // 56 chunks of a claim go in batches of 20, across records.
      expect(bench.mocks.runs.begun('openai', `lab-${name}`)!.seen.embeddings).toBe(4 * 3 + 1);
    });

    test('a second time stores the very same points', async () => {
      const name = `${example.name}-again`;
      const run = () => bench.run(example, '--max-records 12 --workers 3', bench.env(name));
      expect((await run()).exitCode).toBe(0);
      const first = await bench.points(example, name);
      await bench.reset();
      expect((await run()).exitCode).toBe(0);
      expect(first).toHaveLength(96);
      expect(await bench.points(example, name)).toEqual(first);
    });

    test('chunks end between characters', async () => {
      const [before] = await bench.query<{ body: string }>('SELECT body FROM records WHERE id = 1');
      const body = 'é€𝄞x'.repeat(500);
      await bench.query(`UPDATE records SET body = '${body}' WHERE id = 1`);
      const env = bench.env(`${example.name}-characters`);
      const gate = await openGate(new URL(env.OPENAI_BASE_URL!).origin, (_, path) =>
        path.startsWith('/v1/embeddings'),
      );
      try {
        const through = { ...env, OPENAI_BASE_URL: `${gate.url}/v1`, CHUNK_BYTES: '1999' };
        const { exitCode } = await bench.run(example, '--max-records 1 --workers 1', through);
        expect(exitCode).toBe(0);
        const [visit] = gate.visits(env.OPENAI_API_KEY!);
        const { input } = JSON.parse(visit!.body) as { input: string[] };
        expect(input.join('')).toBe(body);
        // The second cut would go through a character of four bytes, after three of them.
        expect(input.map((text) => Buffer.byteLength(text))).toEqual([1_999, 1_996, 1_005]);
      } finally {
        await gate.close();
        await bench.query(`UPDATE records SET body = '${before!.body}' WHERE id = 1`);
      }
    });

    test('under a rate limit it says so, and loses nothing', async () => {
      const name = `${example.name}-scarce`;
      const env = bench.env(name, scarce);
      const { exitCode, stdout, stderr } = await bench.run(
        example,
        '--max-records 20 --workers 10',
        env,
      );
      expect(exitCode).toBe(0);
      const { refusals, ...rest } = summaryOf(stdout);
      expect(rest).toEqual(whole(20));
      expect(stderr.match(/Rate limit exceeded \(429, tokens\)/g)).toHaveLength(refusals!);
      expect(refusals).toBe(bench.mocks.runs.begun('openai', `lab-${name}`)!.seen.rateLimited);
      expect(refusals).toBeGreaterThan(10);
      expect(new Set(await storedFrom(name)).size).toBe(160);
    });

    test("the SDK's two retries lose records, and the exit code says so", async () => {
      const name = `${example.name}-sdk`;
      const env = { ...bench.env(name, scarce), OPENAI_RETRIES: 'sdk' };
      const { exitCode, stdout, stderr } = await bench.run(
        example,
        '--max-records 20 --workers 20',
        env,
      );
      expect(exitCode).toBe(1);
      const { records, failed, refusals } = summaryOf(stdout);
      expect(failed).toBeGreaterThan(0);
      expect(records! + failed!).toBe(20);
      expect(refusals).toBeGreaterThanOrEqual(3 * failed!);
      expect(stderr).toContain('Rate limit exceeded (429');
      expect(await bench.unmigrated()).toBe(100 - records!);
      expect(await storedFrom(name)).toHaveLength(records! * chunksPerRecord);
      // What was left behind is migrated by another run, at once.
      const patient = { ...env, OPENAI_RETRIES: 'patient' };
      const again = await bench.run(example, `--max-records ${failed} --workers 2`, patient);
      expect(summaryOf(again.stdout)).toMatchObject(whole(failed!));
      expect(new Set(await storedFrom(name)).size).toBe(160);
    });

    test('each worker holds as much more memory as it is told', async () => {
      const measure = async (megabytes: number) => {
        const env = { ...bench.env(`${example.name}-memory-${megabytes}`), COMPUTE_MS: '4000' };
        const options = `--max-records 4 --workers 4 --resident-mb ${megabytes}`;
        const command = bench.begin(example, options, env);
        await until(() => command.log().match(/started/g)?.length === 4);
        const members = membersOf(command.pid);
        const measured = {
          pssMb: members.map(pssMb).reduce((sum, mb) => sum + mb, 0),
          holders: members.filter((pid) => privateMb(pid) >= 100).length,
        };
        command.signal('SIGINT');
        expect((await command.ended).exitCode).toBe(130);
        return measured;
      };
      const [less, more] = [await measure(0), await measure(100)];
      expect([less.holders, more.holders]).toEqual([0, 4]);
      expect(more.pssMb - less.pssMb).toBeGreaterThan(380);
      expect(more.pssMb - less.pssMb).toBeLessThan(480);
    });

    test('Ctrl-C leaves no process and no claim, and another run does the rest', async () => {
      const name = `${example.name}-interrupted`;
      const env = { ...bench.env(name), COMPUTE_MS: '100' };
      const command = bench.begin(example, '--max-records 100 --workers 4', env);
      await until(() => command.log().includes('migrated'));
      command.signal('SIGINT');
      const { exitCode, stdout } = await command.ended;
      expect(exitCode).toBe(130);
      await until(() => membersOf(command.pid).length === 0);
      const { records } = summaryOf(stdout);
      expect(records).toBeLessThan(100);
      expect(await bench.unmigrated()).toBe(100 - records!);
      expect(await bench.query(`SELECT * FROM ${example.collection}_claims`)).toEqual([]);
      const rest = await bench.run(example, '--max-records 100 --workers 5', bench.env(name));
      expect(summaryOf(rest.stdout)).toMatchObject(whole(100 - records!));
      expect(await storedFrom(name)).toHaveLength(800);
    });

    test('a worker that is killed costs its record, until the next run', async () => {
      const name = `${example.name}-killed`;
      const env = { ...bench.env(name), COMPUTE_MS: '1500' };
      const options = '--max-records 4 --workers 4 --resident-mb 150';
      const command = bench.begin(example, options, env);
      await until(() => command.log().match(/started/g)?.length === 4);
      await sleep(500);
      // Only workers hold so much.
      const victim = membersOf(command.pid).find((pid) => privateMb(pid) >= 150)!;
      process.kill(victim, 'SIGKILL');
      const { exitCode, stdout } = await command.ended;
      expect(exitCode).toBe(1);
      expect(summaryOf(stdout)).toMatchObject({ records: 3, failed: 1 });
      const next = await bench.run(example, '--max-records 1 --workers 1', bench.env(name));
      expect(summaryOf(next.stdout)).toMatchObject(whole(1));
      expect(new Set(await storedFrom(name)).size).toBe(32);
    });

    test('claims of a pipeline that was killed are void', async () => {
      const name = `${example.name}-dead`;
      const env = { ...bench.env(name), COMPUTE_MS: '10000' };
      const command = bench.begin(example, '--max-records 4 --workers 4', env);
      await until(() => command.log().match(/started/g)?.length === 4);
      await sleep(500);
      command.signal('SIGKILL');
      await command.ended;
      const { stdout } = await bench.run(example, '--max-records 100 --workers 5', bench.env(name));
      expect(summaryOf(stdout)).toMatchObject(whole(100));
    });

    test('two at once share the records', async () => {
      const name = `${example.name}-twice`;
      const run = () => bench.run(example, '--max-records 100 --workers 4', bench.env(name));
      const both = await Promise.all([run(), run()]);
      expect(both.map(({ exitCode }) => exitCode)).toEqual([0, 0]);
      const [one, other] = both.map(({ stdout }) => summaryOf(stdout));
      expect(one!.records! + other!.records!).toBe(100);
      // A record that both had taken would have been embedded twice.
      expect(bench.mocks.runs.begun('openai', `lab-${name}`)!.seen.embeddings).toBe(100);
      expect(await storedFrom(name)).toHaveLength(800);
    });

    test('keeps to the connections that it may have', async () => {
      const env = { ...bench.env(`${example.name}-pool`), MYSQL_POOL_SIZE: '2' };
      const command = bench.begin(example, '--max-records 100 --workers 6', env);
      const open: number[] = [];
      let done = false;
      const ended = command.ended.finally(() => {
        done = true;
      });
      await withConnection(bench.server.url, async (connection) => {
        while (!done) {
          const [rows] = await connection.query('SHOW PROCESSLIST');
          // Without the one that looks.
          const users = (rows as { User: string }[]).map(({ User }) => User);
          open.push(users.filter((user) => user === 'kneepoint').length - 1);
          await sleep(5);
        }
      });
      expect((await ended).exitCode).toBe(0);
      expect(await bench.unmigrated()).toBe(0);
      // The two, and the run's own. A server still counts one that was closed just now.
      const [over, busy] = [open.filter((count) => count > 3), open.filter((count) => count > 1)];
      expect(busy.length).toBeGreaterThan(10);
      expect(over.length).toBeLessThan(busy.length / 10);
    });

    test('says in one line what is missing or wrong', async () => {
      const env = bench.env(`${example.name}-wrong`);
      const { MYSQL_URL: url, ...noMysql } = env;
      const wrongPassword = url!.replace(/:[^:@]+@/, ':wrong-password@');
      const cases: [Record<string, string>, string, RegExp][] = [
        [noMysql, '', /MYSQL_URL: not set; start `kneepoint mocks --mysql`/],
        [{ ...env, MYSQL_URL: wrongPassword }, '', /MYSQL_URL: Access denied/],
        [{ ...env, QDRANT_API_KEY: 'wrong' }, '', /QDRANT_URL, QDRANT_API_KEY: .*Unauthorized/],
        [{ ...env, OPENAI_RETRIES: 'some' }, '', /OPENAI_RETRIES: must be patient or sdk/],
        [{ ...env, BATCH_SIZE: '0' }, '', /BATCH_SIZE: must be a whole number of at least 1/],
        [env, '--workers none', /--workers: must be a whole number of at least 1, got "none"/],
      ];
      for (const [given, options, message] of cases) {
        const { exitCode, stdout, stderr } = await bench.run(
          example,
          `--max-records 1 ${options}`.trim(),
          given,
        );
        expect([exitCode, stdout], stderr).toEqual([2, '']);
        expect(stderr.trim()).toMatch(message);
        expect(stderr.trim().split('\n')).toHaveLength(1);
      }
    });
  });

  test('node-pipeline tells the mocks which record a request is for', async () => {
    const env = bench.env('node-headers', scarce);
    const origin = new URL(env.OPENAI_BASE_URL!).origin;
    const openai = await openGate(origin, (_, path) => path.startsWith('/v1/embeddings'));
    const qdrant = await openGate(bench.mocks.qdrantUrl, (_, path) => path.includes('/points'));
    try {
      const through = {
        ...env,
        OPENAI_BASE_URL: `${openai.url}/v1`,
        QDRANT_URL: qdrant.url,
        BATCH_SIZE: '5',
      };
      const example = examples.find(({ name }) => name === 'node-pipeline')!;
      const { exitCode } = await bench.run(example, '--max-records 2 --workers 1', through);
      expect(exitCode).toBe(0);
      const toldOf = ({ headers }: { headers: Record<string, unknown> }) =>
        ['record', 'attempt', 'draw'].map((key) => headers[`x-kneepoint-${key}`]).join(' ');
      // Eight chunks in batches of five: two each. The bucket is empty, so the first is refused.
      expect(openai.visits(env.OPENAI_API_KEY!).map(toldOf)).toEqual(
        expect.arrayContaining(['0 0 0', '0 1 0', '0 0 1', '1 0 0', '1 0 1']),
      );
      expect(qdrant.visits(env.QDRANT_API_KEY!).map(toldOf)).toEqual([
        '0 0 0',
        '0 0 1',
        '1 0 0',
        '1 0 1',
      ]);
    } finally {
      await Promise.all([openai.close(), qdrant.close()]);
    }
  });
});
