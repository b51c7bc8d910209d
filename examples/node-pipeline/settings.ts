/** What the environment says, with `.env` for what it leaves out. */
import { fileURLToPath } from 'node:url';

/** A setting is missing or makes no sense: one line that names it. */
export class SettingsError extends Error {}

export type Settings = {
  mysql: { host: string; port: number; user: string; password: string; database: string };
  mysqlPoolSize: number;
  openaiBaseUrl: string;
  openaiApiKey: string;
  /** Two retries of the SDK's own kind instead of patience. */
  sdkRetries: boolean;
  embeddingModel: string;
  embeddingDimensions: number;
  qdrantUrl: string;
  qdrantApiKey: string | undefined;
  qdrantCollection: string;
  qdrantTimeoutMs: number;
  maxWorkers: number;
  batchSize: number;
  claimSize: number;
  chunkBytes: number;
  computeMs: number;
};

const howToSet = 'start `kneepoint mocks --mysql` and export its lines';

/** Reads a whole number, or throws a SettingsError that names it. */
export function whole(name: string, text: string, least: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : -1;
  if (value < least || !Number.isSafeInteger(value))
    throw new SettingsError(`${name}: must be a whole number of at least ${least}, got "${text}"`);
  return value;
}

/** Reads all settings; the environment wins over `.env`, and an empty value counts as missing. */
export function readSettings(env: NodeJS.ProcessEnv = process.env): Settings {
  process.loadEnvFile(fileURLToPath(new URL('.env', import.meta.url)));
  const text = (name: string, usual: string) => env[name] || usual;
  const number = (name: string, usual: number, least = 1) =>
    whole(name, text(name, `${usual}`), least);
  // Without an address the clients would go to the paid services by themselves.
  const required = (name: string) => {
    const value = env[name];
    if (!value) throw new SettingsError(`${name}: not set; ${howToSet}`);
    return value;
  };
  const retries = text('OPENAI_RETRIES', 'patient');
  if (retries !== 'patient' && retries !== 'sdk')
    throw new SettingsError(`OPENAI_RETRIES: must be patient or sdk, got "${retries}"`);
  return {
    mysql: readMysqlAddress(env),
    mysqlPoolSize: number('MYSQL_POOL_SIZE', 10),
    openaiBaseUrl: required('OPENAI_BASE_URL'),
    openaiApiKey: required('OPENAI_API_KEY'),
    sdkRetries: retries === 'sdk',
    embeddingModel: text('EMBEDDING_MODEL', 'text-embedding-3-small'),
    embeddingDimensions: number('EMBEDDING_DIMENSIONS', 256),
    qdrantUrl: required('QDRANT_URL'),
    qdrantApiKey: env.QDRANT_API_KEY || undefined,
    qdrantCollection: text('QDRANT_COLLECTION', 'node_pipeline'),
    qdrantTimeoutMs: 1_000 * number('QDRANT_TIMEOUT', 5),
    maxWorkers: number('MAX_WORKERS', 5),
    batchSize: number('BATCH_SIZE', 50),
    claimSize: number('CLAIM_SIZE', 1),
    // No character takes more than four bytes.
    chunkBytes: number('CHUNK_BYTES', 2_000, 4),
    computeMs: number('COMPUTE_MS', 80, 0),
  };
}

/** MYSQL_URL, or MYSQL_HOST, _PORT, _USER, _PASSWORD and _DATABASE where there is none. */
function readMysqlAddress(env: NodeJS.ProcessEnv): Settings['mysql'] {
  if (!env.MYSQL_URL) {
    const { MYSQL_HOST: host, MYSQL_DATABASE: database } = env;
    if (!host && !database) throw new SettingsError(`MYSQL_URL: not set; ${howToSet}`);
    if (!host || !database)
      throw new SettingsError(
        `MYSQL_${host ? 'DATABASE' : 'HOST'}: not set, nor is MYSQL_URL; ${howToSet}`,
      );
    const port = whole('MYSQL_PORT', env.MYSQL_PORT || '3306', 1);
    const user = env.MYSQL_USER || 'root';
    return { host, port, user, password: env.MYSQL_PASSWORD ?? '', database };
  }
  const url = URL.parse(env.MYSQL_URL);
  const database = decodeURIComponent(url?.pathname.slice(1) ?? '');
  // The text of the URL holds a password, so no message repeats it.
  if (!url || !/^(mysql|mariadb):$/.test(url.protocol) || !url.hostname || !database)
    throw new SettingsError(
      'MYSQL_URL: must look like mysql://user:password@127.0.0.1:3306/database',
    );
  return {
    host: url.hostname,
    port: Number(url.port || 3306),
    user: decodeURIComponent(url.username || 'root'),
    password: decodeURIComponent(url.password),
    database,
  };
}
