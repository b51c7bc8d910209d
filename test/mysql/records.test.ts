import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { recordMaker } from '../../mocks/records/record.ts';
import { completeLab } from '../../src/model/lab.ts';
import { connect, withConnection } from '../../src/services/mysql/connect.ts';
import { startOwnServer } from '../../src/services/mysql/own-server.ts';
import {
  prepareRecords,
  resetRecords,
  seedRecords,
} from '../../src/services/mysql/records-table.ts';
import type { MysqlServer } from '../../src/services/mysql/server.ts';
import { openMysqlSource } from '../../src/services/mysql/source.ts';
import { UsageError } from '../../src/usage-error.ts';

const lab = completeLab({ workload: { chunksPerRecord: 3, bytesPerChunk: 400 } });
const other = completeLab({ workload: { chunksPerRecord: 2, bytesPerChunk: 400 } });

describe.each(inject('mysqlBinaries'))('$version', (binary) => {
  let server: MysqlServer;
  let url: string;
  beforeAll(async () => {
    server = await startOwnServer({ binary, env: process.env });
    url = server.url;
  });
  afterAll(() => server.close());
  beforeEach(() =>
    withConnection(url, async (connection) => {
      await connection.query('DROP TABLE IF EXISTS records');
    }),
  );
  const query = <Row>(sql: string): Promise<Row[]> =>
    withConnection(url, async (connection) => (await connection.query(sql))[0] as Row[]);

  test('the table has the very texts that the mocks generate', async () => {
    expect(await seedRecords({ url, lab, records: 250 })).toBe(250);
    const rows = await query('SELECT id, title, body FROM records ORDER BY id');
    const recordOf = recordMaker(lab);
    expect(rows).toEqual(Array.from({ length: 250 }, (_, record) => recordOf(record)));
    expect(await seedRecords({ url, lab, records: 250 })).toBe(0);
    expect(await seedRecords({ url, lab, records: 260 })).toBe(10);
    expect(await query('SELECT COUNT(*) AS count FROM records')).toEqual([{ count: 260 }]);
  });

  test('filling that was interrupted is continued', async () => {
    const stop = new AbortController();
    const told: number[] = [];
    const progress = (done: number) => {
      told.push(done);
      stop.abort();
    };
    const { signal } = stop;
    await expect(seedRecords({ url, lab, records: 20_000, progress, signal })).rejects.toThrow(
      'abort',
    );
    const [{ count }] = (await query('SELECT COUNT(*) AS count FROM records')) as [
      { count: number },
    ];
    expect(count).toBe(told[0]);
    expect(count).toBeGreaterThan(0);
    expect(count).toBeLessThan(20_000);
    expect(await seedRecords({ url, lab, records: 20_000 })).toBe(20_000 - count);
    expect(
      await query('SELECT COUNT(*) AS count, MIN(id) AS first, MAX(id) AS last FROM records'),
    ).toEqual([{ count: 20_000, first: 1, last: 20_000 }]);
    const recordOf = recordMaker(lab);
    expect(
      await query(
        `SELECT id, title, body FROM records WHERE id IN (1, ${count}, ${count + 1}, 20000)`,
      ),
    ).toEqual([0, count - 1, count, 19_999].map(recordOf));
  });

  test('a table that is not ours is left alone', async () => {
    await query('CREATE TABLE records (id INT PRIMARY KEY, precious TEXT)');
    await query("INSERT INTO records VALUES (1, 'mine')");
    for (const attempt of [
      () => seedRecords({ url, lab, records: 5 }),
      () => resetRecords(url),
      () => prepareRecords({ url, kind: 'process' }, { lab, records: 5 }),
    ]) {
      const error = await attempt().catch((reason: Error) => reason);
      expect(error).toBeInstanceOf(UsageError);
      expect(String(error)).toMatch(/the table records of .* was not made by kneepoint/);
      expect(String(error)).not.toContain(new URL(url).password);
    }
    expect(await query('SELECT * FROM records')).toEqual([{ id: 1, precious: 'mine' }]);
  });

  test('a table of ours for other texts is kept in a given server, and makes way in our own', async () => {
    await seedRecords({ url, lab, records: 5 });
    await expect(
      prepareRecords({ url, kind: 'given' }, { lab: other, records: 5 }),
    ).rejects.toThrow(/made for seed 1 and 3 chunks of 400 bytes, and this lab has .*2 chunks/);
    expect(await prepareRecords({ url, kind: 'process' }, { lab: other, records: 5 })).toBe(5);
    const [row] = (await query('SELECT LENGTH(body) AS bytes FROM records LIMIT 1')) as object[];
    expect(row).toEqual({ bytes: 800 });
  });

  test('two that fill at once do not fill twice', async () => {
    const both = await Promise.allSettled(
      [0, 1].map(() => seedRecords({ url, lab, records: 5_000 })),
    );
    const added = both.map((one) => (one.status === 'fulfilled' ? one.value : 0));
    expect(added[0]! + added[1]!).toBe(5_000);
    expect(await query('SELECT COUNT(*) AS count FROM records')).toEqual([{ count: 5_000 }]);
  });

  test('records can be marked as not migrated again', async () => {
    await seedRecords({ url, lab, records: 10 });
    await query('UPDATE records SET migrated_at = NOW() WHERE id <= 4');
    expect(await resetRecords(url)).toBe(4);
    expect(await query('SELECT id FROM records WHERE migrated_at IS NOT NULL')).toEqual([]);
  });

  test('records are read by their place, whatever gaps the ids have', async () => {
    await seedRecords({ url, lab, records: 200 });
    await query('DELETE FROM records WHERE id % 3 = 0 OR id BETWEEN 50 AND 80 OR id = 1');
    const left = await query<{ id: number }>('SELECT id FROM records ORDER BY id');
    const source = openMysqlSource(url)({ poolSize: 4, workers: 8, leastHeldMs: 0 });
    try {
      await source.warm();
      const recordOf = recordMaker(lab);
      const found: number[] = [];
      const claims = Array.from({ length: Math.floor(left.length / 7) }, (_, claim) => claim * 7);
      const reads = await Promise.all(claims.reverse().map((first) => source.read(first, 7)));
      for (const { records } of reads.reverse())
        for (const record of records) {
          expect(record).toEqual(recordOf(record.id - 1));
          found.push(record.id);
        }
      expect(found).toEqual(left.slice(0, claims.length * 7).map(({ id }) => id));
      await expect(source.read(left.length - 1, 2)).rejects.toThrow(
        /has \d+ rows, and record \d+ was asked for; `kneepoint seed` adds more/,
      );
    } finally {
      await source.close();
    }
  });

  test('a pool of two lets two read at a time, and the others wait', async () => {
    await seedRecords({ url, lab, records: 10 });
    const source = openMysqlSource(url)({ poolSize: 2, workers: 10, leastHeldMs: 100 });
    try {
      await source.warm();
      const reads = await Promise.all(
        Array.from({ length: 10 }, (_, record) => source.read(record, 1)),
      );
      // Each pair waits for the pairs before it: at least so long, and longer where the machine is busy.
      for (const [at, { poolWaitMs }] of reads.entries())
        expect(poolWaitMs).toBeGreaterThanOrEqual(99 * Math.floor(at / 2));
      expect(reads[1]!.poolWaitMs).toBeLessThan(reads[2]!.poolWaitMs);
    } finally {
      await source.close();
    }
    await expect(source.read(0, 1)).rejects.toThrow();
  });

  test('20 claimers with SKIP LOCKED get every row once', async () => {
    await seedRecords({ url, lab, records: 400 });
    const claimed: number[] = [];
    const claimer = async () => {
      const connection = await connect(url);
      for (;;) {
        await connection.beginTransaction();
        const [rows] = await connection.query(
          'SELECT id FROM records WHERE migrated_at IS NULL ORDER BY id LIMIT 5 FOR UPDATE SKIP LOCKED',
        );
        const ids = (rows as { id: number }[]).map(({ id }) => id);
        if (ids.length > 0)
          await connection.query('UPDATE records SET migrated_at = NOW() WHERE id IN (?)', [ids]);
        await connection.commit();
        claimed.push(...ids);
        // A locked row is skipped, which is not the same as there being none.
        const [left] = await connection.query(
          'SELECT id FROM records WHERE migrated_at IS NULL LIMIT 1',
        );
        if ((left as unknown[]).length === 0) break;
      }
      connection.destroy();
    };
    await Promise.all(Array.from({ length: 20 }, claimer));
    expect(claimed.sort((a, b) => a - b)).toEqual(Array.from({ length: 400 }, (_, at) => at + 1));
  });
});
