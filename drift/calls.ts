/** The requests whose answers are compared: those of an ingestion and its checks. */
export type Call = {
  service: 'openai' | 'qdrant';
  name: string;
  method: string;
  path: string;
  body?: unknown;
  status: number;
  /** Name of a shape of `schemas.ts`: of the body, or of a Qdrant answer's `result`. */
  shape?: string;
  /** Without Qdrant's envelope. */
  bare?: boolean;
  /** Tokens that a real call is billed for. */
  tokens?: number;
};

const model = 'text-embedding-3-small';
const docs = '/collections/kneepoint-drift';
const points = [
  { id: 1, vector: [0.1, 0.2, 0.3, 0.4], payload: { city: 'Berlin', year: 2024 } },
  { id: 2, vector: [0.4, 0.3, 0.2, 0.1], payload: { city: 'Paris', year: 2025 } },
];
const embed = (name: string, body: unknown, status: number, tokens?: number): Call => ({
  service: 'openai',
  name,
  method: 'POST',
  path: '/embeddings',
  body,
  status,
  shape: status === 200 ? 'Embeddings' : 'OpenaiError',
  ...(tokens === undefined ? {} : { tokens }),
});
const qdrant = (
  name: string,
  method: string,
  path: string,
  shape: string | undefined,
  body?: unknown,
  status = 200,
): Call => ({
  service: 'qdrant',
  name,
  method,
  path,
  status,
  ...(shape === undefined ? {} : { shape }),
  ...(body === undefined ? {} : { body }),
});

export const calls: Call[] = [
  embed('embeddings', { model, input: 'hello', encoding_format: 'float', dimensions: 4 }, 200, 1),
  embed('an empty input', { model, input: [''] }, 400),
  embed('a missing input', { model }, 400),
  embed('an unknown parameter', { model, input: 'a', strange: 1 }, 400),
  embed('an unknown model', { model: 'no-such-model', input: 'a' }, 404),
  {
    service: 'openai',
    name: 'a model',
    method: 'GET',
    path: `/models/${model}`,
    status: 200,
    shape: 'Model',
  },
  { ...qdrant('the version', 'GET', '/', 'Version'), bare: true },
  qdrant('create', 'PUT', docs, 'Yes', { vectors: { size: 4, distance: 'Cosine' } }),
  qdrant('create again', 'PUT', docs, undefined, { vectors: { size: 4, distance: 'Cosine' } }, 409),
  qdrant('list', 'GET', '/collections', 'Collections'),
  qdrant('exists', 'GET', `${docs}/exists`, 'Exists'),
  qdrant('index', 'PUT', `${docs}/index?wait=true`, 'Update', {
    field_name: 'city',
    field_schema: 'keyword',
  }),
  qdrant('upsert', 'PUT', `${docs}/points?wait=true`, 'Update', { points }),
  qdrant(
    'a wrong dimension',
    'PUT',
    `${docs}/points?wait=true`,
    undefined,
    { points: [{ id: 1, vector: [1] }] },
    400,
  ),
  qdrant('batch', 'POST', `${docs}/points/batch?wait=true`, 'Updates', {
    operations: [{ set_payload: { payload: { seen: true }, points: [1] } }],
  }),
  qdrant('info', 'GET', docs, 'Collection'),
  qdrant('retrieve', 'POST', `${docs}/points`, 'Records', { ids: [1, 2], with_vector: true }),
  qdrant('scroll', 'POST', `${docs}/points/scroll`, 'Scroll', {
    limit: 1,
    filter: { must: [{ key: 'year', range: { gte: 2024 } }] },
  }),
  qdrant('count', 'POST', `${docs}/points/count`, 'Count', { exact: true }),
  qdrant('query', 'POST', `${docs}/points/query`, 'Query', {
    query: [0.1, 0.2, 0.3, 0.4],
    limit: 2,
    with_payload: true,
  }),
  qdrant('aliases', 'GET', '/aliases', 'Aliases'),
  qdrant('cluster of a collection', 'GET', `${docs}/cluster`, 'ClusterInfo'),
  qdrant('telemetry', 'GET', '/telemetry', 'Telemetry'),
  qdrant('drop', 'DELETE', docs, 'Yes'),
  qdrant('a missing collection', 'GET', docs, undefined, undefined, 404),
];
