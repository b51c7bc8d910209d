import { renameSync, writeFileSync } from 'node:fs';
import { usualMaxBytes } from '../../mocks/qdrant/ledger.ts';
import { defaultPorts, type MockPorts, type Mocks } from '../../mocks/server.ts';
import { fileProblem } from '../file-problem.ts';
import { checkLab, readLabFile } from '../lab-file.ts';
import type { Lab } from '../model/lab.ts';
import { mysqlEnv } from '../services/mysql/env.ts';
import { findMysql } from '../services/mysql/find.ts';
import { prepareRecords } from '../services/mysql/records-table.ts';
import type { MysqlServer } from '../services/mysql/server.ts';
import { openMysqlSource } from '../services/mysql/source.ts';
import { openMocks } from '../services/open-mocks.ts';
import { UsageError } from '../usage-error.ts';
import { recordsFrom } from './seed.ts';
import { createSeedProgress } from './seed-progress.ts';
import { shellWord } from './shell-word.ts';
import { untilStopped } from './until-stopped.ts';

export type MocksOptions = {
  lab?: string;
  speed?: string;
  host: string;
  openaiPort?: string;
  qdrantPort?: string;
  recordsPort?: string;
  adminPort?: string;
  readyFile?: string;
  maxMemory?: string;
  /** True where the flag came without an address. */
  mysql?: string | true;
  records?: string;
};

function port(option: string, text: string | undefined, usual: number): number {
  const value = text === undefined ? usual : Number(text);
  if (text?.trim() === '' || !Number.isInteger(value) || value < 0 || value > 65_535)
    throw new UsageError(`${option}: must be a port from 0 to 65535, got "${text}"`);
  return value;
}

function maxBytesOf(text: string | undefined): number {
  if (text === undefined) return usualMaxBytes;
  const megabytes = Number(text);
  if (text.trim() === '' || !Number.isInteger(megabytes) || megabytes < 1 || megabytes > 1_048_576)
    throw new UsageError(
      `--max-memory: must be a whole number of MiB from 1 to 1048576, got "${text}"`,
    );
  return megabytes * 2 ** 20;
}

/** A MySQL with the lab's records, to read from and for the user's own client. */
async function openMysql(
  lab: Lab,
  flag: string | true,
  records: number,
  signal: AbortSignal,
): Promise<MysqlServer> {
  const say = (line: string) => process.stderr.write(`kneepoint: ${line}\n`);
  const option = '--mysql';
  const server = await findMysql({ flag, env: process.env, say, signal, option });
  const progress = createSeedProgress(process.stderr);
  try {
    await prepareRecords(server, { lab, records, progress: progress.update, signal, option });
    return server;
  } catch (error) {
    await server.close();
    throw error;
  } finally {
    progress.close();
  }
}

/** Rows of a table for pilots, which mark what they have migrated: enough for ten of 100. */
const pilotsRecords = 1_000;

/** Serves the mocks until SIGINT, SIGTERM or SIGHUP. Prints what a shell can `eval`. */
export async function mocks(options: MocksOptions): Promise<number> {
  const name = options.lab ?? 'linear';
  const given = checkLab(readLabFile(name), name);
  // Other people's clients can't be sped up: one virtual second is a real one unless told.
  const speed = options.speed === undefined ? 1 : Number(options.speed);
  if (!(speed > 0 && speed <= 1_000))
    throw new UsageError(`--speed: must be over 0 and at most 1000, got "${options.speed}"`);
  const ofLab = given.workload.records;
  const usual = options.mysql === undefined ? ofLab : Math.max(pilotsRecords, ofLab);
  const records = recordsFrom(options.records, usual);
  const lab = { ...given, workload: { ...given.workload, records } };
  const ports: MockPorts = {
    openai: port('--openai-port', options.openaiPort, defaultPorts.openai),
    qdrant: port('--qdrant-port', options.qdrantPort, defaultPorts.qdrant),
    records: port('--records-port', options.recordsPort, defaultPorts.records),
    admin: port('--admin-port', options.adminPort, defaultPorts.admin),
  };
  const maxBytes = maxBytesOf(options.maxMemory);
  const stop = untilStopped();
  const stopped = new Promise<void>((resolve) => {
    stop.signal.addEventListener('abort', () => resolve(), { once: true });
  });

  let mysql: MysqlServer | undefined;
  let running: Mocks | undefined;
  try {
    if (options.mysql !== undefined)
      mysql = await openMysql(lab, options.mysql, records, stop.signal);
    const source = mysql && openMysqlSource(mysql.url);
    running = await openMocks(lab, speed, options.host, ports, maxBytes, source);
    tell(running, mysql, options.readyFile);
    await stopped;
    return 0;
  } catch (error) {
    // Stopped before it was ready: there is nothing to say.
    if (stop.signal.aborted) return 0;
    throw error;
  } finally {
    await running?.close();
    await mysql?.close();
    stop.close();
  }
}

/** Says where everything is: on stdout for a shell, and in the ready file for programs. */
function tell(running: Mocks, mysql: MysqlServer | undefined, readyFile: string | undefined): void {
  const { openaiUrl, qdrantUrl, recordsUrl, adminUrl, token } = running;
  const exports = {
    OPENAI_BASE_URL: openaiUrl,
    OPENAI_API_KEY: 'sk-kneepoint-lab',
    QDRANT_URL: qdrantUrl,
    QDRANT_API_KEY: 'kneepoint-lab',
    KNEEPOINT_RECORDS_URL: recordsUrl,
    KNEEPOINT_ADMIN_URL: adminUrl,
    KNEEPOINT_ADMIN_TOKEN: token,
    ...(mysql && mysqlEnv(mysql.url)),
  };
  for (const [variable, value] of Object.entries(exports))
    process.stdout.write(`export ${variable}=${shellWord(value)}\n`);
  if (readyFile === undefined) return;
  const ready = {
    openai: { url: openaiUrl },
    qdrant: { url: qdrantUrl },
    records: { url: recordsUrl },
    admin: { url: adminUrl, token },
    ...(mysql && { mysql: { url: mysql.url } }),
    pid: process.pid,
  };
  const temporary = `${readyFile}.${process.pid}.tmp`;
  try {
    // A token and perhaps a password are in it: for its owner's eyes only.
    // By itself as well: Prometheus reads its credentials from a file that holds nothing else.
    writeFileSync(`${readyFile}.token`, token, { mode: 0o600 });
    writeFileSync(temporary, JSON.stringify(ready), { mode: 0o600 });
    renameSync(temporary, readyFile);
  } catch (error) {
    throw new UsageError(`--ready-file: cannot write ${readyFile} (${fileProblem(error)})`);
  }
}
