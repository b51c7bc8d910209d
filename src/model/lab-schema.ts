/**
 * What a lab file may say, as JSON Schema. Everything else about it is derived: the TypeScript type,
 * the defaults, the commented YAML and the published `schema/lab.schema.json`.
 */
const object = <const P>(properties: P, description: string) =>
  ({ type: 'object', additionalProperties: false, properties, description }) as const;
const whole = <D extends number>(value: D, minimum: number, maximum: number, description: string) =>
  ({ type: 'integer', minimum, maximum, default: value as number, description }) as const;
const real = <D extends number>(value: D, minimum: number, maximum: number, description: string) =>
  ({ type: 'number', minimum, maximum, default: value as number, description }) as const;
const choice = <const E extends readonly string[]>(value: E[number], options: E, why: string) =>
  ({ enum: options, default: value, description: why }) as const;
const optional = (type: 'integer' | 'number', minimum: number, maximum: number, why: string) =>
  ({ type, minimum, maximum, description: why }) as const;

const yes = (value: boolean, description: string) =>
  ({ type: 'boolean', default: value as boolean, description }) as const;

const milliseconds = (why: string) => optional('number', 0, 3_600_000, why);
const latency = (description: string) =>
  object(
    {
      fixed: milliseconds('ms, always the same'),
      p50: milliseconds('ms; with p95 and p99 instead of fixed'),
      p95: milliseconds('ms'),
      p99: milliseconds('ms'),
      perThousandTokens: milliseconds('ms more for each 1,000 tokens of a request'),
      perInFlightAbove: {
        ...object(
          {
            count: optional('integer', 0, 100_000, 'requests in flight that cost nothing'),
            ms: milliseconds('ms more for each request in flight above count'),
            maxMs: milliseconds('ms, at most'),
          },
          'slows with requests in flight',
        ),
        required: ['count', 'ms'],
      } as const,
    },
    description,
  );
const fill = { enum: ['full', 'empty'] } as const;
// Bounds that keep a bucket's level times its window below 2^53, where the limiter is exact.
const limit = (most: number, why: string) => optional('integer', 1, most, why);

export const labSchema = {
  $schema: 'http://json-schema.org/draft-07/schema#',
  title: 'Kneepoint lab',
  ...object(
    {
      name: {
        type: 'string',
        pattern: '^[a-z0-9][a-z0-9-]{0,63}$',
        default: 'lab',
        description: 'lower-case letters, digits and hyphens; names the results folder',
      },
      seed: whole(1, 0, 2 ** 53 - 1, 'same seed, same records, latencies and faults'),
      speed: real(10, 0.1, 1_000, 'virtual seconds per real second, at most (k6 only)'),
      workers: {
        type: 'array',
        items: { type: 'integer', minimum: 1, maximum: 1_000 },
        minItems: 1,
        maxItems: 100,
        default: [1, 2, 5, 10, 20],
        description: 'the worker counts to run, rising',
      },
      workload: object(
        {
          records: whole(100, 1, 1_000_000_000, 'records to migrate'),
          chunksPerRecord: whole(8, 1, 100_000, 'chunks of one record; one chunk is one point'),
          bytesPerChunk: whole(2_000, 1, 1_000_000, 'UTF-8 bytes; 4 bytes are one charged token'),
          batchSize: whole(
            50,
            1,
            2_048,
            'BATCH_SIZE: inputs per embeddings request, and points per upsert',
          ),
          recordsPerClaim: whole(1, 1, 1_000_000, 'records a worker claims at a time: a work unit'),
          dimensions: whole(64, 1, 3_072, 'vector size on the wire'),
        },
        'what is migrated',
      ),
      worker: object(
        {
          readMs: real(20, 0, 3_600_000, 'MySQL read per claim; holds a pool connection'),
          computeMs: real(80, 0, 3_600_000, "the worker's own CPU per record; uses one host core"),
          memoryMb: real(525, 0, 10_000_000, 'resident memory per worker, MiB'),
          baseMemoryMb: real(0, 0, 10_000_000, 'resident memory without any worker, MiB'),
          client: choice(
            'patient',
            [
              'patient',
              'none',
              'openai-node-6',
              'openai-node-7',
              'openai-python-2',
              'openai-python-3',
              'exact-hint',
              'full-jitter',
            ],
            "retry rules: patient obeys hints and never gives up; the SDKs' own rules give up after two retries",
          ),
          retries: optional(
            'integer',
            0,
            100,
            "max_retries of an SDK's client; its own two where not given",
          ),
          qdrantRetries: whole(3, 0, 100, 'tries after a failed upsert, then the record fails'),
        },
        'one worker',
      ),
      openai: object(
        {
          tier: choice(
            'unlimited',
            [
              'free',
              'tier-1',
              'tier-2',
              'tier-3',
              'tier-4',
              'tier-5',
              'test-plan-tier-1',
              'test-plan-tier-2',
              'unlimited',
            ],
            'usage tier: fills in the limits',
          ),
          model: {
            type: 'string',
            default: 'text-embedding-3-small',
            description: 'embedding model',
          },
          bucket: {
            anyOf: [
              fill,
              object({ rpm: fill, tpm: fill, rpd: fill }, 'by limit; full where not named'),
            ],
            default: 'full' as 'full' | 'empty',
            description: 'how full the limit buckets start: full, empty, or by limit',
          },
          rejectionCost: choice(
            'request',
            ['none', 'request', 'request+tokens'],
            'what a 429 still costs (documented: requests count)',
          ),
          rejectionMs: real(
            50,
            0,
            60_000,
            'mean round trip of a 429, half to one and a half of it (assumed)',
          ),
          retryAfter: choice('ms', ['none', 'seconds', 'ms'], 'which hint headers a 429 carries'),
          timeoutMs: real(600_000, 1, 3_600_000, "the client's timeout; 600,000 is the SDKs' own"),
          usage: choice(
            'exact',
            ['exact', 'estimate'],
            'billed tokens: the real tokenizer, or an estimate of bytes / 4.44 (sped-up runs estimate)',
          ),
          quota: choice(
            'available',
            [
              'available',
              'insufficient_quota',
              'credit_balance_exhausted',
              'organization_spend_limit_exceeded',
              'project_spend_limit_exceeded',
              'organization_usage_limit_exceeded',
            ],
            'whether the account can pay: every other value is the code of the 429 that all requests get',
          ),
          slowDown: yes(
            false,
            'the ramp limit: over 1,000,000 TPM, half as much again per 15 minutes (measure assumed)',
          ),
          wording: choice(
            '2026',
            ['2026', '2024'],
            'texts of errors whose wording the provider changed',
          ),
          sharedLimit: {
            type: 'string',
            default: '',
            maxLength: 100,
            description: 'name of the limit that model families share, as 429s tell it',
          },
          burstSeconds: real(60, 0.001, 60, 'bucket capacity in seconds of the per-minute limits'),
          limits: object(
            {
              rpm: limit(75_000_000, 'requests per minute'),
              tpm: limit(75_000_000, 'tokens per minute'),
              rpd: limit(50_000, 'requests per day'),
            },
            "overrides of the tier's limits",
          ),
          latency: {
            ...latency('of admitted requests: fixed, or p50, p95, p99'),
            default: { fixed: 380 },
          } as const,
        },
        'the embeddings service',
      ),
      qdrant: object(
        {
          plan: choice(
            'unlimited',
            ['free', 'starter', 'standard-2', 'standard-4', 'standard-16', 'unlimited'],
            'fills in slots, rate and latency; all plan figures are assumptions',
          ),
          timeoutMs: real(5_000, 1, 3_600_000, "the client's timeout"),
          latency: latency("of an upsert before queueing; the plan's where not given"),
          slots: whole(0, 0, 10_000, "upserts worked on at the same time; 0 = the plan's"),
          pointsPerSecond: real(
            0,
            0,
            1_000_000_000,
            "apply rate of all slots together; 0 = the plan's",
          ),
          queueLength: whole(
            200,
            1,
            1_000_000,
            'operations that wait for a slot at most; then upserts block (source of 1.19)',
          ),
          indexPointsPerSecond: real(
            0,
            0,
            1_000_000_000,
            "points indexed per second; 0 = the plan's, and no limit where it has none (assumed)",
          ),
          indexingThreshold: whole(
            1_700,
            1,
            1_000_000_000,
            'points not yet indexed above which the collection is yellow (10,000 KB of 1,536 dimensions)',
          ),
          yellowSlowdown: real(
            1.5,
            1,
            1_000,
            'an upsert takes so many times as long on yellow (assumed)',
          ),
          memoryPoints: whole(
            0,
            0,
            1_000_000_000_000,
            "points that fit into memory; beyond, it is killed and restarts; 0 = the plan's (assumed)",
          ),
          restartSeconds: real(30, 0, 86_400, 'how long a restart answers 502 (assumed)'),
          suspendedStatus: whole(
            0,
            0,
            599,
            'what a suspended cluster answers to everything, for instance 404; 0 = not suspended (undocumented)',
          ),
          writeRateLimit: whole(
            0,
            0,
            1_000_000_000,
            'strict mode of new collections: points written per minute; 0 = none, as on every plan',
          ),
          readRateLimit: whole(
            0,
            0,
            1_000_000_000,
            'strict mode of new collections: reads per minute; 0 = none, as on every plan',
          ),
        },
        'the vector database',
      ),
      mysql: object(
        { poolSize: whole(50, 1, 100_000, 'MYSQL_POOL_SIZE: connections over all workers') },
        'the source',
      ),
      host: object(
        {
          memoryGb: real(64, 0.01, 1_000_000, 'GiB'),
          cores: whole(32, 1, 100_000, 'for the compute of all workers'),
        },
        'the machine that runs the workers',
      ),
      faults: {
        type: 'array',
        maxItems: 100,
        default: [] as never[],
        description: 'faults injected on purpose; the first that strikes wins',
        items: {
          ...object(
            {
              on: {
                enum: ['embeddings', 'upsert', 'openai', 'qdrant'],
                description: 'which requests: one kind, or all of a service',
              },
              kind: {
                enum: [
                  'status',
                  'latency',
                  'stall',
                  'dribble',
                  'reset',
                  'close',
                  'reset-body',
                  'short-body',
                  'truncated-json',
                  'garbage',
                ],
                description: 'status answers instead of the service; the others strike its answer',
              },
              probability: real(1, 0, 1, 'of each request'),
              fromSeconds: real(0, 0, 1_000_000_000, 'virtual seconds after the begin'),
              untilSeconds: optional('number', 0, 1_000_000_000, 'virtual seconds; no end without'),
              first: optional('integer', 1, 1_000_000_000, 'only so many requests, then none'),
              status: whole(503, 400, 599, 'of kind status'),
              retryAfterSeconds: optional('integer', 0, 86_400, 'hint of kind status'),
              ms: real(1_000, 0, 3_600_000, 'added by latency; how long dribble takes'),
            },
            'one fault',
          ),
          required: ['on', 'kind'],
        },
      } as const,
      expect: object(
        {
          workers: optional('integer', 1, 1_000, 'the worker count that the others are about'),
          maxSeconds: optional('number', 0, 1e12, 'seconds'),
          minEfficiency: optional('number', 0, 1, '0 to 1'),
          maxRateLimited: optional('integer', 0, 1e12, '429s'),
          maxQdrantTimeouts: optional('integer', 0, 1e12, 'timeouts'),
          maxMemoryShare: optional('number', 0, 1, 'of the host'),
          complete: { type: 'boolean', description: 'every record arrived' },
          bottleneck: { type: 'string', description: 'as in the verdict' },
          minRecommendedWorkers: optional('integer', 0, 1_000, 'workers'),
        },
        'what `check` asserts',
      ),
    },
    'a lab: a pipeline, its services and the worker counts to try',
  ),
} as const;

type Value<S> = S extends { anyOf: readonly (infer M)[] }
  ? Value<M>
  : S extends { enum: readonly (infer E)[] }
    ? E
    : S extends { type: 'integer' | 'number' }
      ? number
      : S extends { type: 'boolean' }
        ? boolean
        : S extends { type: 'string' }
          ? string
          : S extends { type: 'array'; items: infer I }
            ? Value<I>[]
            : S extends { type: 'object'; properties: infer P; required: readonly (infer R)[] }
              ? { [K in keyof P as Given<P, K, R> extends true ? K : never]: Value<P[K]> } & {
                  [K in keyof P as Given<P, K, R> extends true ? never : K]?: Value<P[K]>;
                }
              : S extends { type: 'object'; properties: infer P }
                ? { [K in keyof P as Filled<P[K]> extends true ? K : never]: Value<P[K]> } & {
                    [K in keyof P as Filled<P[K]> extends true ? never : K]?: Value<P[K]>;
                  }
                : never;

type Given<P, K extends keyof P, R> = K extends R ? true : Filled<P[K]>;

/** Whether a completed lab always has the field: it has a default, or is an object of such fields. */
type Filled<S> = S extends { default: unknown }
  ? true
  : S extends { type: 'object'; required: readonly string[] }
    ? false
    : S extends { type: 'object' }
      ? true
      : false;

/** A lab with every default filled in. */
export type CompleteLab = Value<typeof labSchema>;

type Deep<T> = T extends (infer I)[]
  ? Deep<I>[]
  : T extends object
    ? { [K in keyof T]?: Deep<T[K]> }
    : T;

/** A lab as users write it: every field may be absent. */
export type LabFile = Deep<CompleteLab>;
