import { openMockStage } from '../engines/mock-stage.ts';
import type { Lab } from '../model/lab.ts';
import { MissingPartError } from '../services/missing-part.ts';
import { describeServer, findMysql, givenAddress } from '../services/mysql/find.ts';
import { prepareRecords } from '../services/mysql/records-table.ts';
import type { MysqlServer } from '../services/mysql/server.ts';
import { openMocks } from '../services/open-mocks.ts';
import { UsageError } from '../usage-error.ts';
import type { ExecOptions, Prepared } from './exec-services.ts';

/**
 * The MySQL that the command reads from, with the lab's records in it. Undefined where none was asked
 * for and none is to be had: then the command's own MYSQL_ variables stay as they are.
 */
async function openMysql(
  lab: Lab,
  { mysqlUrl: flag, mysql: wanted }: ExecOptions,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<MysqlServer | undefined> {
  if (wanted === false) {
    if (flag !== undefined) throw new UsageError('--mysql-url and --no-mysql: give one of them');
    return undefined;
  }
  const option = '--mysql-url';
  let server: MysqlServer;
  try {
    server = await findMysql({ flag, env: process.env, say, signal, option });
  } catch (error) {
    // One that was named is not quietly left out: the command would get its dead address.
    const isGiven = givenAddress({ flag, env: process.env, say: () => {}, option }) !== undefined;
    if (flag !== undefined || isGiven || !(error instanceof MissingPartError)) throw error;
    say(`no MySQL of our own (${error.ways[0]}…): MYSQL_ variables stay as they are in your shell`);
    return undefined;
  }
  try {
    let toldMs = performance.now();
    await prepareRecords(server, {
      lab,
      records: lab.workload.records,
      option,
      progress(done, all) {
        if (performance.now() - toldMs < 2_000) return;
        toldMs = performance.now();
        say(`filling the table records: ${done} of ${all}`);
      },
      signal,
    });
    return server;
  } catch (error) {
    await server.close();
    throw error;
  }
}

/** Prepares a run against the mocks, with a MySQL beside them that holds the lab's records. Throws UsageError. */
export async function prepareMocks(
  lab: Lab,
  options: ExecOptions,
  closing: (() => Promise<void>)[],
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<Prepared> {
  if (options.yes || options.maxCost !== undefined)
    throw new UsageError('--yes and --max-cost: only with --real; the mocks cost nothing');
  const mysql = await openMysql(lab, options, say, signal);
  if (mysql) closing.push(() => mysql.close());
  const ports = { openai: 0, qdrant: 0, records: 0, admin: 0 };
  const mocks = await openMocks(lab, 1, '127.0.0.1', ports);
  closing.push(() => mocks.close());
  return {
    open: () => openMockStage(lab, mocks, mysql),
    asSeen: (known) => known,
    provenance: mysql ? { mysql: describeServer(mysql) } : {},
  };
}
