import { labSchema } from '../../src/model/lab-schema.ts';

const { openai, qdrant, faults } = labSchema.properties;

/** JSON Schema, as far as this description goes. */
export type Schema = { readonly [keyword: string]: unknown };

const text: Schema = { type: 'string' };
const number: Schema = { type: 'number' };
const whole: Schema = { type: 'integer' };
const ms = (description: string): Schema => ({ type: 'number', minimum: 0, description });
const orNull = (schema: Schema): Schema => ({ anyOf: [schema, { type: 'null' }] });
const listOf = (items: Schema): Schema => ({ type: 'array', items });
const counts = (description: string): Schema => ({
  type: 'object',
  additionalProperties: { type: 'integer' },
  description,
});
const ref = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` });

/** All properties are there unless named as optional, and no others. */
const object = (properties: Record<string, Schema>, optional: string[] = []): Schema => ({
  type: 'object',
  additionalProperties: false,
  required: Object.keys(properties).filter((name) => !optional.includes(name)),
  properties,
});

const percentiles = object({ p50: number, p95: number, p99: number });
const services: Schema = listOf({ enum: ['openai', 'qdrant'] });
const side = {
  speed: { type: 'number', description: 'virtual seconds per real second' },
  faults: listOf(ref('Fault')),
  statistics: ref('Statistics'),
};

/** What the admin port takes and answers. Settings are those of a lab file. */
export const schemas: Record<string, Schema> = {
  Error: object({ error: text }),
  Status: object({ status: text }),
  Health: object({ status: { const: 'ok' }, version: text }),
  OpenaiSettings: openai,
  QdrantSettings: qdrant,
  Faults: faults,
  Fault: {
    ...faults.items,
    properties: { ...faults.items.properties, endsInSeconds: orNull(number) },
    required: ['on', 'kind', 'endsInSeconds'],
  },
  Change: {
    ...object(
      {
        openai: ref('OpenaiSettings'),
        qdrant: ref('QdrantSettings'),
        faults: ref('Faults'),
        expiresAfterSeconds: {
          type: 'number',
          exclusiveMinimum: 0,
          maximum: 1e9,
          description: 'virtual seconds after which the given faults vanish',
        },
      },
      ['openai', 'qdrant', 'faults', 'expiresAfterSeconds'],
    ),
    description:
      'What is not given stays. A tier drops earlier limits, a plan drops earlier latency, slots, rates and memory. The times of faults count from now.',
  },
  Summary: object({
    name: text,
    services,
    tier: orNull(text),
    plan: orNull(text),
    limits: orNull(counts('by rpm, tpm, rpd')),
    speed: number,
    embeddings: whole,
    rateLimited: whole,
    upserts: whole,
    reads: whole,
  }),
  Summaries: object({ profiles: listOf(ref('Summary')) }),
  Bucket: object({
    name: { enum: ['rpm', 'tpm', 'rpd'] },
    limit: whole,
    remaining: whole,
    used: whole,
    fullAgainMs: ms('virtual ms until the bucket is full again'),
  }),
  Upserts: object({
    points: whole,
    backlog: { type: 'integer', description: 'points that wait for the index' },
    yellow: { type: 'boolean' },
    queued: { type: 'integer', description: 'operations taken and not yet applied' },
    restarting: { type: 'boolean' },
  }),
  Waits: {
    ...object({
      obeyed: whole,
      early: whole,
      meanEarlyMs: ms('virtual ms'),
      mostEarlyMs: ms('virtual ms'),
      unknown: whole,
      pending: whole,
    }),
    description:
      'Retries after a refusal that told how long to wait. A retry is known by x-kneepoint-record, by its body, or by x-stainless-retry-count where only one refusal is open.',
  },
  Statistics: object({
    requests: whole,
    byStatus: counts('by HTTP status'),
    rateLimited: counts('by the limit that refused'),
    faults: counts('by kind'),
    attemptsPerSuccess: orNull(number),
    waits: ref('Waits'),
    ownMs: { ...percentiles, description: 'real ms that the mock worked' },
    delayMs: { ...percentiles, description: 'real ms from arrival to answer' },
    tokens: whole,
    points: whole,
    seconds: ms('virtual seconds from the first arrival to the last answer'),
    pointsPerSecond: orNull(number),
    requestsPerSecond: orNull(number),
  }),
  Profile: object({
    name: text,
    openai: orNull(
      object({
        ...side,
        settings: ref('OpenaiSettings'),
        models: listOf(object({ model: text, buckets: listOf(ref('Bucket')) })),
      }),
    ),
    qdrant: orNull(object({ ...side, settings: ref('QdrantSettings'), upserts: ref('Upserts') })),
  }),
  Entry: object(
    {
      number: { type: 'integer', description: 'counts from 1 and never repeats' },
      atMs: { type: 'number', description: 'real ms since the mocks began' },
      service: { enum: ['openai', 'qdrant'] },
      method: text,
      path: text,
      status: whole,
      run: { type: 'string', description: 'name of the profile' },
      kind: { enum: ['embeddings', 'upsert', 'read', 'other'] },
      refusedBy: text,
      fault: text,
      ownMs: ms('real ms that the mock worked'),
      delayMs: ms('real ms from arrival to answer'),
      requestBytes: whole,
      attempt: { type: 'integer', description: '0 for the first try' },
      body: { type: 'string', description: 'begin of the body, without keys' },
      answer: { type: 'string', description: 'begin of the answer, of refusals only' },
    },
    ['run', 'refusedBy', 'fault', 'attempt', 'body', 'answer'],
  ),
  Journal: object({
    entries: listOf(ref('Entry')),
    kept: { type: 'integer', description: 'entries that the journal holds' },
    dropped: { type: 'integer', description: 'entries that it no longer holds' },
    last: { type: 'integer', description: 'number of the youngest' },
  }),
};
