import type { OpenSource } from '../../mocks/records/source.ts';
import type { Mocks } from '../../mocks/server.ts';
import type { Lab } from '../model/lab.ts';
import type { Sweep } from '../model/sweep.ts';
import { describeServer, findMysql } from '../services/mysql/find.ts';
import { prepareRecords } from '../services/mysql/records-table.ts';
import { openMysqlSource } from '../services/mysql/source.ts';
import { createSeedProgress } from './seed-progress.ts';

type Lost = { workers: number; reads: number; reason: string };

/** A real MySQL in a run: what is to be done about it before, after and between cells. */
export type MysqlCells = {
  /** For the result: version, and how it was come by. */
  provenance: string;
  openSource: OpenSource;
  /** Sees to it that the server lives and has the lab's records. Rejects with MissingPartError where it is gone for good. */
  before: (lab: Lab, workers: number) => Promise<void>;
  /** Gives the cell's connections back, and remembers reads that failed. */
  after: (lab: Lab, workers: number, mocks: Mocks) => Promise<void>;
  /** Says in a result which of its cells lost the server: they measured nothing. */
  mark: (sweep: Sweep) => void;
  close: () => Promise<void>;
};

/** Finds the MySQL of `--mysql`. Rejects as findMysql does. */
export async function openMysqlCells(
  flag: string | true,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<MysqlCells> {
  const option = '--mysql';
  const server = await findMysql({ flag, env: process.env, say, signal, option });
  // Ctrl-C is not to wait for a server that takes its time to come back.
  signal.addEventListener('abort', () => void server.close(), { once: true });
  const lost = new Map<Lab, Lost[]>();
  let wasLost = false;
  let goneFor: unknown;

  return {
    provenance: describeServer(server),
    openSource: openMysqlSource(server.url),
    async before(lab, workers) {
      // Once is enough: each try may take minutes.
      if (goneFor !== undefined) throw goneFor;
      try {
        await server.ensure();
      } catch (error) {
        goneFor = error;
        throw error;
      }
      if (wasLost) say(`${server.version} answers again, for ${lab.name} × ${workers}`);
      wasLost = false;
      const progress = createSeedProgress(process.stderr);
      const { records } = lab.workload;
      const { update } = progress;
      try {
        const added = await prepareRecords(server, {
          lab,
          records,
          progress: update,
          signal,
          option,
        });
        progress.close();
        if (added > 0 && server.kind === 'given')
          say(`${added} records were added to the table records, which is kneepoint's own`);
      } finally {
        progress.close();
      }
    },
    async after(lab, workers, mocks) {
      const failures = await mocks.endSources();
      if (!failures || signal.aborted) return;
      wasLost = true;
      lost.set(lab, [...(lost.get(lab) ?? []), { workers, ...failures }]);
      say(
        `${lab.name} × ${workers}: ${failures.reads} reads failed, the first with ${failures.reason}`,
      );
    },
    mark(sweep) {
      const cells = lost.get(sweep.lab);
      if (!cells) return;
      const isLost = (workers: number) => cells.some((cell) => cell.workers === workers);
      // What the analysis made of cells without a database is no news about the pipeline.
      const allLost = sweep.cells.every(
        ({ workers, completeness }) => !completeness.recordsFailed || isLost(workers),
      );
      sweep.warnings = sweep.warnings.filter(
        ({ code }) => code !== 'model-disagrees' && !(allLost && code === 'records-lost'),
      );
      const told = cells.map(({ workers, reads }) => `${workers} workers (${reads} reads failed)`);
      sweep.warnings.push({
        code: 'mysql-lost',
        message: `The database failed at ${told.join(', ')}: ${cells[0]!.reason}. Nothing of these cells is a measurement.`,
        remedy: 'Find out in the log of the database why it failed, then run the lab again.',
      });
      sweep.valid = false;
    },
    close: () => server.close(),
  };
}
