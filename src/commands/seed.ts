import { checkLab, readLabFile } from '../lab-file.ts';
import { isLoopback, parseAddress } from '../services/mysql/address.ts';
import { givenServer } from '../services/mysql/given-server.ts';
import { resetRecords, seedRecords } from '../services/mysql/records-table.ts';
import { UsageError } from '../usage-error.ts';
import { createSeedProgress } from './seed-progress.ts';
import { interrupted, untilStopped } from './until-stopped.ts';

export type SeedOptions = { mysqlUrl?: string; records?: string; reset?: boolean };

const option = '--mysql-url';
const mostRecords = 100_000_000;

/** The flag's address, or MYSQL_URL where it leads to this machine: another host may be production. */
function addressFrom({ mysqlUrl }: SeedOptions, env: NodeJS.ProcessEnv): string {
  if (mysqlUrl !== undefined) return mysqlUrl;
  if (!env.MYSQL_URL)
    throw new UsageError(`${option}: give mysql://user:password@127.0.0.1:3306/database`);
  const address = parseAddress(env.MYSQL_URL, 'MYSQL_URL');
  if (!isLoopback(address))
    throw new UsageError(
      `${option}: MYSQL_URL leads to ${address.host}, which may be production; give the address itself to write there`,
    );
  return env.MYSQL_URL;
}

/** Whole records, from `--records` or the lab. */
export function recordsFrom(text: string | undefined, usual: number): number {
  const records = text === undefined ? usual : Number(text);
  if (text?.trim() === '' || !Number.isInteger(records) || records < 1 || records > mostRecords)
    throw new UsageError(
      `--records: must be a whole number from 1 to ${mostRecords}, got "${text}"`,
    );
  return records;
}

/** Fills the table `records` of a database with the texts of a lab, or marks its rows as not migrated. */
export async function seed(name: string, options: SeedOptions): Promise<number> {
  const lab = checkLab(readLabFile(name), name);
  const records = recordsFrom(options.records, lab.workload.records);
  const url = addressFrom(options, process.env);
  const say = (line: string) => process.stderr.write(`kneepoint: ${line}\n`);
  const { version } = await givenServer(url, option);
  const { shown } = parseAddress(url, option);
  if (options.reset) {
    const rows = await resetRecords(url, option);
    say(`${version} at ${shown}: ${rows} records are no longer marked as migrated`);
    return 0;
  }

  const stop = untilStopped();
  const progress = createSeedProgress(process.stderr);
  const beganMs = performance.now();
  try {
    const { signal } = stop;
    const update = progress.update;
    const added = await seedRecords({ url, lab, records, progress: update, signal, option });
    progress.close();
    const seconds = ((performance.now() - beganMs) / 1_000).toFixed(1);
    say(
      added === 0
        ? `${version} at ${shown} has its ${records} records already`
        : `${version} at ${shown}: ${added} records added in ${seconds} s`,
    );
    return 0;
  } catch (error) {
    progress.close();
    if (!stop.signal.aborted) throw error;
    say('interrupted; the same command goes on where this one stopped');
    return interrupted;
  } finally {
    stop.close();
  }
}
