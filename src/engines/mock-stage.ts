import { randomBytes } from 'node:crypto';
import type { Mocks } from '../../mocks/server.ts';
import type { Lab } from '../model/lab.ts';
import { versionAt } from '../services/mysql/connect.ts';
import { mysqlEnv } from '../services/mysql/env.ts';
import { resetRecords } from '../services/mysql/records-table.ts';
import type { MysqlServer } from '../services/mysql/server.ts';
import type { StoredPoint } from './completeness.ts';
import { watchConnections } from './connections.ts';
import { createMeter } from './meter.ts';
import type { Stage } from './stage.ts';

/**
 * A fresh start on the mocks: a profile of the lab behind keys of its own, at speed 1, because other
 * people's clients can't be sped up, and the records marked as not migrated.
 */
export async function openMockStage(
  lab: Lab,
  mocks: Mocks,
  mysql: MysqlServer | undefined,
): Promise<Stage> {
  // First, since nothing is to be undone yet where it can't be had.
  if (mysql) {
    await mysql.ensure();
    await resetRecords(mysql.url);
  }
  const id = randomBytes(6).toString('hex');
  const run = `lab-${id}`;
  mocks.runs.register(id, lab, 1);
  const meter = createMeter();
  const unwatch = mocks.observations.watch(run, meter);
  const connections = mysql ? watchConnections(mysql.url) : undefined;
  const begun = () => mocks.runs.begun('qdrant', run) ?? mocks.runs.begun('openai', run);
  function* points(): Generator<StoredPoint> {
    for (const { points: stored } of begun()?.store.collections.values() ?? [])
      yield* stored.values();
  }
  return {
    env: {
      OPENAI_BASE_URL: mocks.openaiUrl,
      OPENAI_API_KEY: `sk-kneepoint-${run}`,
      QDRANT_URL: mocks.qdrantUrl,
      QDRANT_API_KEY: `kneepoint-${run}`,
      ...(mysql && mysqlEnv(mysql.url)),
    },
    settled: async () => {},
    traffic: meter.traffic,
    progress() {
      const seen = begun()?.seen;
      let stored = 0;
      for (const collection of begun()?.store.collections.values() ?? [])
        stored += collection.points.size;
      return {
        records: Math.floor(stored / lab.workload.chunksPerRecord),
        rateLimited: seen?.rateLimited ?? 0,
      };
    },
    points,
    connectionsInUse: async () => connections?.stop(),
    async problem() {
      if (!mysql) return undefined;
      const answers = await versionAt(mysql.url).then(
        () => true,
        () => false,
      );
      return answers ? undefined : `${mysql.version} stopped answering while the command ran`;
    },
    async close() {
      unwatch();
      await connections?.stop();
      mocks.runs.reset(run);
    },
  };
}
