/** Starts the worker processes, hands out what they share, and waits for them. */
import { type ChildProcess, fork } from 'node:child_process';
import type { FromWorker, Job, ToWorker } from './messages.ts';

/** What a run did. `seconds` begin when all workers are ready and end with the last record. */
export type Summary = {
  claimed: number;
  migrated: number;
  chunks: number;
  refusals: number;
  crashedWorkers: number;
  seconds: number;
};

/** A worker that is told to stop first ends the request that it is in. */
const stopMs = 10_000;

/**
 * Runs so many workers, which migrate at most `maxRecords` and hold at most `poolSize` connections
 * together. Resolves when all have ended, after `stop` too.
 */
export async function runCrew(
  job: Omit<Job, 'number'>,
  workers: number,
  maxRecords: number,
  poolSize: number,
  stop: AbortSignal,
): Promise<Summary> {
  const summary = { claimed: 0, migrated: 0, chunks: 0, refusals: 0, crashedWorkers: 0 };
  let [unclaimed, ready, freeConnections] = [maxRecords, 0, poolSize];
  let [startedMs, endedMs] = [0, 0];
  const connected = new Set<ChildProcess>();
  const waiting: ChildProcess[] = [];
  const send = (worker: ChildProcess, message: ToWorker) => {
    // A worker that has just died is counted when its exit is seen.
    if (worker.connected) worker.send(message, () => {});
  };

  const grantConnections = () => {
    while (freeConnections > 0 && waiting.length > 0) {
      const worker = waiting.shift()!;
      freeConnections--;
      connected.add(worker);
      send(worker, { kind: 'granted', records: 0 });
    }
  };
  const release = (worker: ChildProcess) => {
    if (connected.delete(worker)) freeConnections++;
    grantConnections();
  };

  const answer = (worker: ChildProcess, message: FromWorker) => {
    switch (message.kind) {
      case 'ready':
        if (++ready < workers) return;
        startedMs = endedMs = performance.now();
        for (const member of crew) send(member, { kind: 'start' });
        return;
      case 'take': {
        const records = Math.min(job.claimSize, unclaimed);
        unclaimed -= records;
        send(worker, { kind: 'granted', records });
        return;
      }
      case 'claimed':
        unclaimed += message.granted - message.records;
        summary.claimed += message.records;
        return;
      case 'migrated':
        summary.migrated += message.records;
        summary.chunks += message.chunks;
        endedMs = performance.now();
        return;
      case 'refused':
        summary.refusals++;
        return;
      case 'connect':
        waiting.push(worker);
        grantConnections();
        return;
      case 'disconnect':
        release(worker);
    }
  };

  const stopAll = () => {
    for (const worker of crew) send(worker, { kind: 'stop' });
    setTimeout(() => {
      for (const worker of crew) worker.kill('SIGKILL');
    }, stopMs).unref();
  };
  const crew = Array.from({ length: workers }, (_, index) => {
    const worker = fork(new URL('./worker.ts', import.meta.url));
    worker.on('message', (message) => answer(worker, message as FromWorker));
    send(worker, { kind: 'job', job: { ...job, number: index + 1 } });
    return worker;
  });
  stop.addEventListener('abort', stopAll);
  const ends = crew.map(
    (worker) =>
      new Promise<void>((resolve) => {
        worker.once('exit', (exitCode) => {
          release(worker);
          if (exitCode !== 0) summary.crashedWorkers++;
          // Without it the others would wait for the start for ever.
          if (exitCode !== 0 && startedMs === 0) stopAll();
          resolve();
        });
      }),
  );
  await Promise.all(ends);
  return { ...summary, seconds: (endedMs - startedMs) / 1_000 };
}
