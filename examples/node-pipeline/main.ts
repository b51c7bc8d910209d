/**
 * Migrates records with so many worker processes:
 * `node examples/node-pipeline/main.ts --max-records 100 --workers 5`
 *
 * Exit codes: 0 fine, 1 records failed or MySQL is gone, 2 wrong settings, 130 interrupted.
 */
import { parseArgs } from 'node:util';
import type { ClientProfile } from '../../src/model/retry.ts';
import { runCrew } from './crew.ts';
import { readSettings, SettingsError, whole } from './settings.ts';
import { databaseProblem, openRun } from './source.ts';
import { ensureCollection } from './target.ts';

const clients: ClientProfile[] = [
  'patient',
  'none',
  'openai-node-6',
  'openai-node-7',
  'openai-python-2',
  'openai-python-3',
];
const keepAliveMs = 30_000;

function readOptions() {
  try {
    return parseArgs({
      options: {
        'max-records': { type: 'string', default: '100' },
        workers: { type: 'string' },
        'claim-size': { type: 'string' },
        'resident-mb': { type: 'string', default: '0' },
        client: { type: 'string' },
      },
    }).values;
  } catch (error) {
    throw new SettingsError((error as Error).message);
  }
}

function clientOf(name: string): ClientProfile {
  const client = clients.find((known) => known === name);
  if (client) return client;
  throw new SettingsError(`--client: must be one of ${clients.join(', ')}, got "${name}"`);
}

async function main(): Promise<number> {
  const options = readOptions();
  const settings = readSettings();
  const workers = whole('--workers', options.workers ?? `${settings.maxWorkers}`, 1);
  const maxRecords = whole('--max-records', options['max-records'], 1);
  const claimSize = whole('--claim-size', options['claim-size'] ?? `${settings.claimSize}`, 1);
  const residentMb = whole('--resident-mb', options['resident-mb'], 0);
  const client = clientOf(options.client ?? (settings.sdkRetries ? 'openai-node-7' : 'patient'));

  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stop.abort());
  const { run, keepAlive, end } = await openRun(settings.mysql);
  // The claims are good for as long as this connection lives.
  const beat = setInterval(() => void keepAlive().catch(() => stop.abort()), keepAliveMs);
  try {
    await ensureCollection(settings);
    const keepOpen = settings.mysqlPoolSize >= workers;
    const { claimed, migrated, chunks, seconds, refusals, crashedWorkers } = await runCrew(
      { settings, run, client, claimSize, residentMb, keepOpen },
      workers,
      maxRecords,
      settings.mysqlPoolSize,
      stop.signal,
    );
    const interrupted = stop.signal.aborted;
    // The records of a worker that died count: nobody migrated them.
    const failed = interrupted ? 0 : claimed - migrated;
    process.stdout.write(
      `${migrated} records (${chunks} chunks) in ${seconds.toFixed(2)} s; 429s: ${refusals}; failed records: ${failed}\n`,
    );
    if (interrupted) return 130;
    if (claimed === 0 && crashedWorkers === 0)
      process.stderr.write(
        'no record was left to migrate: UPDATE records SET migrated_at = NULL\n',
      );
    return failed > 0 || crashedWorkers > 0 ? 1 : 0;
  } finally {
    clearInterval(beat);
    // What it would give back is void without the connection anyway.
    await end().catch(() => {});
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  const problem = error instanceof SettingsError ? error.message : databaseProblem(error);
  if (problem === undefined) throw error;
  process.stderr.write(`node-pipeline: ${problem}\n`);
  process.exitCode = error instanceof SettingsError ? 2 : 1;
}
