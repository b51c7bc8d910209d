import { plainText } from '../answers.ts';
import type { Call, KeyedRoute } from '../call.ts';
import { upsertState } from '../optimizer.ts';
import { bucketSeconds, type RestStatistic, type RestStatistics } from '../rest-statistics.ts';

type Sample = { labels?: Record<string, string>; value: number; suffix?: string };

const escaped = (text: string): string =>
  text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');

const family = (name: string, help: string, type: string, samples: readonly Sample[]): string => {
  const lines = samples.map(({ labels = {}, value, suffix = '' }) => {
    const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escaped(text)}"`);
    return `${name}${suffix}${pairs.length > 0 ? `{${pairs.join(',')}}` : ''} ${value}\n`;
  });
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`;
};

const histogram = (statistic: RestStatistic, labels: Record<string, string>): Sample[] => {
  const { buckets, count, sumSeconds } = statistic;
  let seen = 0;
  return [
    ...bucketSeconds.map((most, at) => {
      seen += buckets[at]!;
      return { suffix: '_bucket', labels: { ...labels, le: String(most) }, value: seen };
    }),
    { suffix: '_bucket', labels: { ...labels, le: '+Inf' }, value: count },
    { suffix: '_sum', labels, value: sumSeconds },
    { suffix: '_count', labels, value: count },
  ];
};

const restFamilies = (statistics: readonly RestStatistic[]): string[] => {
  if (statistics.length === 0) return [];
  const labelled = statistics.map((statistic) => {
    const { method, endpoint, status } = statistic;
    return { statistic, labels: { method, endpoint, status: String(status) } };
  });
  const good = labelled.filter(({ statistic }) => statistic.status === 200);
  const gauge = (name: string, help: string, of: (statistic: RestStatistic) => number) =>
    family(
      `rest_responses_${name}_duration_seconds`,
      help,
      'gauge',
      good.map(({ statistic, labels }) => ({ labels, value: of(statistic) })),
    );
  return [
    family(
      'rest_responses_total',
      'total number of responses',
      'counter',
      labelled.map(({ statistic, labels }) => ({ labels, value: statistic.count })),
    ),
    gauge('avg', 'average response duration', ({ sumSeconds, count }) => sumSeconds / count),
    gauge('min', 'minimum response duration', ({ minSeconds }) => minSeconds),
    gauge('max', 'maximum response duration', ({ maxSeconds }) => maxSeconds),
    family(
      'rest_responses_duration_seconds',
      'response duration histogram',
      'histogram',
      good.flatMap(({ statistic, labels }) => histogram(statistic, labels)),
    ),
  ];
};

const metricsText = (call: Call, statistics: readonly RestStatistic[]): string => {
  const { run } = call;
  const { collections } = run.store;
  const { yellow, queued } = upsertState(call);
  const gauge = (name: string, help: string, value: number) =>
    family(name, help, 'gauge', [{ value }]);
  const perCollection = (name: string, help: string, value: (points: number) => number) =>
    family(
      name,
      help,
      'gauge',
      [...collections].map(([id, { points }]) => ({ labels: { id }, value: value(points.size) })),
    );
  let vectors = 0;
  for (const { points, spaces } of collections.values()) vectors += points.size * spaces.size;
  const memory = process.memoryUsage();
  return [
    family('app_info', 'information about qdrant server', 'gauge', [
      { labels: { name: 'qdrant', version: '1.19.0' }, value: 1 },
    ]),
    gauge('collections_total', 'number of collections', collections.size),
    gauge('collections_vector_total', 'total number of vectors in all collections', vectors),
    perCollection('collection_points', 'approximate amount of points per collection', (n) => n),
    family(
      'collection_vectors',
      'amount of vectors grouped by vector name',
      'gauge',
      [...collections].flatMap(([id, { points, spaces }]) =>
        [...spaces.keys()].map((vector) => ({ labels: { id, vector }, value: points.size })),
      ),
    ),
    perCollection(
      'collection_running_optimizations',
      'number of currently running optimization tasks per collection',
      () => (yellow ? 1 : 0),
    ),
    perCollection(
      'collection_update_queue_length',
      'number of pending operations in update queue per collection',
      () => queued,
    ),
    perCollection(
      'collection_update_queue_deferred_points',
      'number of deferred points in update queue per collection',
      () => 0,
    ),
    gauge('cluster_enabled', 'is cluster support enabled', 0),
    gauge('memory_active_bytes', 'total number of bytes in active pages', memory.rss),
    gauge('memory_allocated_bytes', 'total number of bytes allocated', memory.heapUsed),
    gauge('memory_metadata_bytes', 'total number of bytes dedicated to metadata', 0),
    gauge('memory_resident_bytes', 'maximum number of bytes in resident pages', memory.rss),
    gauge('memory_retained_bytes', 'total number of bytes in virtual memory mappings', 0),
    family(
      'quota_exceeded',
      'whether a quota of the node is exceeded',
      'gauge',
      ['resident_memory', 'disk_usage'].map((resource) => ({ labels: { resource }, value: 0 })),
    ),
    ...restFamilies(statistics),
  ].join('');
};

/** Prometheus text of the key's own requests. The memory is the mock's. */
export const metricsRoute = (statistics: RestStatistics): KeyedRoute => ({
  method: 'GET',
  path: '/metrics',
  run: (call) => plainText(200, metricsText(call, statistics.of(call.run))),
});
