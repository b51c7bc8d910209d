import { fileURLToPath } from 'node:url';
import { QdrantClient } from '@qdrant/js-client-rest';
import type { Mocks } from '../../mocks/server.ts';
import { completeLab, type Lab } from '../../src/model/lab.ts';
import type { ServerBinary } from '../../src/services/mysql/binary.ts';
import { withConnection } from '../../src/services/mysql/connect.ts';
import { startOwnServer } from '../../src/services/mysql/own-server.ts';
import { resetRecords, seedRecords } from '../../src/services/mysql/records-table.ts';
import type { MysqlServer } from '../../src/services/mysql/server.ts';
import { openMocks } from '../../src/services/open-mocks.ts';
import { type Ended, type Started, start } from './start-command.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** An example: how it is run by hand, and what it leaves in the services. */
export type Example = { name: string; cwd: string; command: string; collection: string };

export const examples: Example[] = [
  {
    name: 'rag_python',
    cwd: `${root}examples/rag_python`,
    command: 'uv run python -m rag_python.migration.scripts.test_migration_pilot',
    collection: 'rag_python',
  },
  {
    name: 'node-pipeline',
    cwd: root,
    command: 'node examples/node-pipeline/main.ts',
    collection: 'node_pipeline',
  },
];

/** Nothing binds, and nothing takes long: what is looked at here is not the time. */
const fast = completeLab({
  openai: { tier: 'unlimited', latency: { fixed: 20 } },
  qdrant: { latency: { fixed: 5 } },
});

/** The bucket starts empty and refills by four records a second. */
export const scarce = completeLab({
  openai: { tier: 'tier-1', bucket: { tpm: 'empty' }, latency: { fixed: 20 }, rejectionMs: 5 },
  qdrant: { latency: { fixed: 5 } },
});

type Point = { id: string | number; payload: { record_id: number; chunk: number; title: string } };

/** A database with 100 records, the mocks, and the environment in which a command finds both. */
export type Bench = {
  server: MysqlServer;
  mocks: Mocks;
  /** A fresh start behind keys of its own, of the given lab or the fast one. */
  env: (name: string, lab?: Lab) => Record<string, string>;
  run: (example: Example, options: string, env: Record<string, string>) => Promise<Ended>;
  begin: (example: Example, options: string, env: Record<string, string>) => Started;
  /** All points that are stored behind a name, in the order of their ids. */
  points: (example: Example, name: string) => Promise<Point[]>;
  query: <Row>(sql: string) => Promise<Row[]>;
  unmigrated: () => Promise<number>;
  reset: () => Promise<unknown>;
  close: () => Promise<void>;
};

/** Variables of the developer's own services must not reach a command. */
const withoutServices = () =>
  Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(MYSQL|OPENAI|QDRANT)_/.test(name)),
  );

export async function openBench(binary: ServerBinary): Promise<Bench> {
  const server = await startOwnServer({ binary, env: process.env });
  await seedRecords({ url: server.url, lab: fast, records: 100 });
  const anyPorts = { openai: 0, qdrant: 0, records: 0, admin: 0 };
  const mocks = await openMocks(fast, 1, '127.0.0.1', anyPorts);
  const password = decodeURIComponent(new URL(server.url).password);
  const begin: Bench['begin'] = (example, options, env) =>
    start(`${example.command} ${options}`.split(' '), example.cwd, {
      ...withoutServices(),
      NO_PROXY: '127.0.0.1',
      ...env,
    });
  const query = <Row>(sql: string): Promise<Row[]> =>
    withConnection(server.url, async (connection) => (await connection.query(sql))[0] as Row[]);
  return {
    server,
    mocks,
    query,
    env(name, lab) {
      if (lab) mocks.runs.register(name, lab, 1);
      return {
        OPENAI_BASE_URL: mocks.openaiUrl,
        OPENAI_API_KEY: `sk-kneepoint-lab-${name}`,
        QDRANT_URL: mocks.qdrantUrl,
        QDRANT_API_KEY: `kneepoint-lab-${name}`,
        MYSQL_URL: server.url,
        COMPUTE_MS: '1',
      };
    },
    begin,
    async run(example, options, env) {
      const ended = await begin(example, options, env).ended;
      // Whatever a command is asked to do, it says no secret.
      for (const secret of [password, env.OPENAI_API_KEY, env.QDRANT_API_KEY])
        if (secret && `${ended.stdout}${ended.stderr}`.includes(secret))
          throw new Error(`${example.name} ${options} printed a secret`);
      return ended;
    },
    async points({ collection }, name) {
      const client = new QdrantClient({
        url: mocks.qdrantUrl,
        apiKey: `kneepoint-lab-${name}`,
        checkCompatibility: false,
      });
      const { points } = await client.scroll(collection, { limit: 10_000, with_vector: true });
      return points as unknown as Point[];
    },
    async unmigrated() {
      const [row] = await query<{ count: number }>(
        'SELECT COUNT(*) AS count FROM records WHERE migrated_at IS NULL',
      );
      return row!.count;
    },
    reset: () => resetRecords(server.url),
    async close() {
      await mocks.close();
      await server.close();
    },
  };
}
