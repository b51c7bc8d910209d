/** One worker process: claims, embeds, stores and marks records until nothing is left. */
import { once } from 'node:events';
import type { FromWorker, Job, ToWorker } from './messages.ts';
import { createPipeline, Stopped } from './pipeline.ts';
import { SettingsError } from './settings.ts';
import { createSource, databaseProblem } from './source.ts';

const stop = new AbortController();
// Ctrl-C reaches the whole group; the pipeline decides, so that no request is torn.
process.on('SIGINT', () => {});
process.on('disconnect', () => stop.abort());
process.on('message', (message: ToWorker) => {
  if (message.kind === 'stop') stop.abort();
});

const tell = (message: FromWorker) => {
  // A pipeline that was killed hears nothing more.
  if (process.connected) process.send!(message, () => {});
};
const heard = async <K extends ToWorker['kind']>(kind: K): Promise<ToWorker & { kind: K }> => {
  for (;;) {
    if (stop.signal.aborted) throw new Stopped();
    const [message] = (await once(process, 'message', { signal: stop.signal }).catch(() => {
      throw new Stopped();
    })) as [ToWorker];
    if (message.kind === kind) return message as ToWorker & { kind: K };
  }
};

const granted = async (message: FromWorker): Promise<number> => {
  tell(message);
  return (await heard('granted')).records;
};

async function work({ number, settings, run, client, claimSize, residentMb, keepOpen }: Job) {
  const log = (line: string) =>
    process.stderr.write(`${new Date().toISOString()} worker-${number} ${line}\n`);
  // A page belongs to this process only once it is written.
  const held = Buffer.alloc(residentMb * 2 ** 20, 1);
  const source = createSource(settings.mysql, keepOpen, async () => {
    await granted({ kind: 'connect' });
    return () => tell({ kind: 'disconnect' });
  });
  const migrate = createPipeline(settings, client, stop.signal, log, () =>
    tell({ kind: 'refused' }),
  );
  try {
    await source.open();
    tell({ kind: 'ready' });
    await heard('start');
    log(`started, holding ${held.length / 2 ** 20} MiB more`);
    for (;;) {
      const most = Math.min(claimSize, await granted({ kind: 'take' }));
      if (most === 0) return;
      const records = await source.claim(run, most);
      tell({ kind: 'claimed', granted: most, records: records.length });
      if (records.length === 0) return;
      const { done, failed, chunks } = await migrate(records);
      await source.finish(done);
      tell({ kind: 'migrated', records: done.length, chunks });
      if (done.length > 0) log(`record ${done.join(', ')} migrated`);
      if (failed.length > 0) log(`record ${failed.join(', ')} failed`);
    }
  } catch (error) {
    const problem = error instanceof SettingsError ? error.message : databaseProblem(error);
    if (problem === undefined && !(error instanceof Stopped)) throw error;
    if (problem !== undefined) process.exitCode = 1;
    log(problem ?? 'stopped');
  } finally {
    // A server that is gone takes no leave.
    await source.close().catch(() => {});
  }
}

try {
  await work((await heard('job')).job);
} catch (error) {
  if (!(error instanceof Stopped)) throw error;
} finally {
  // The clients keep their connections open, which would keep the process.
  if (process.connected) process.disconnect();
  setImmediate(() => process.exit());
}
