import { describe, expect, test } from 'vitest';
import { type Ask, refusalOf, resultOf, somePoints, startDocs, startQdrant } from './testing.ts';

const change = (ask: Ask, ...actions: object[]) =>
  ask('POST', '/collections/aliases', { body: { actions } });

const create = (collection_name: string, alias_name: string) => ({
  create_alias: { collection_name, alias_name },
});

describe('an alias', () => {
  test('stands for its collection on every route', () => {
    const { ask } = startDocs();
    expect(resultOf(change(ask, create('docs', 'live')))).toBe(true);
    const points = '/collections/live/points';
    expect(ask('PUT', points, { body: { points: somePoints(2) } }).status).toBe(200);
    expect(resultOf(ask('POST', '/collections/docs/points/count', { body: {} }))).toEqual({
      count: 2,
    });
    expect(resultOf(ask('GET', '/collections/live')).points_count).toBe(2);
    expect(resultOf(ask('GET', '/collections/live/exists'))).toEqual({ exists: true });
    expect(resultOf(ask('GET', '/collections'))).toEqual({ collections: [{ name: 'docs' }] });
  });

  test('is listed, renamed, replaced and deleted', () => {
    const { ask } = startDocs();
    ask('PUT', '/collections/next', { body: { vectors: { size: 2, distance: 'Dot' } } });
    change(ask, create('docs', 'a'), create('next', 'b'));
    const list = (path: string) => resultOf(ask('GET', path)).aliases;
    const docsA = { alias_name: 'a', collection_name: 'docs' };
    expect(list('/aliases')).toEqual([docsA, { alias_name: 'b', collection_name: 'next' }]);
    expect(list('/collections/docs/aliases')).toEqual([docsA]);
    change(ask, { rename_alias: { old_alias_name: 'a', new_alias_name: 'c' } });
    change(ask, { delete_alias: { alias_name: 'b' } }, create('next', 'c'));
    expect(list('/aliases')).toEqual([{ alias_name: 'c', collection_name: 'next' }]);
    expect(resultOf(ask('DELETE', '/collections/next'))).toBe(true);
    expect(list('/aliases')).toEqual([]);
  });

  test('of nothing, or with the name of a collection, is refused', () => {
    const { ask } = startDocs();
    expect(refusalOf(change(ask, create('other', 'a')))).toEqual([
      404,
      "Not found: Collection `other` doesn't exist!",
    ]);
    expect(refusalOf(change(ask, create('docs', 'docs')))[0]).toBe(409);
    expect(change(ask, { rename_alias: { old_alias_name: 'x', new_alias_name: 'y' } }).status).toBe(
      404,
    );
  });
});

describe('collections', () => {
  test('refuse sizes and distances that do not exist', () => {
    const { ask } = startQdrant();
    const put = (vectors: unknown) => ask('PUT', '/collections/docs', { body: { vectors } });
    expect(refusalOf(put({ size: 65537, distance: 'Dot' }))).toEqual([
      422,
      'Validation error in JSON body: [vectors.size: value 65537 invalid, must be from 1 to 65536]',
    ]);
    expect(put({ size: 4, distance: 'Hamming' }).status).toBe(400);
  });

  test('tell every documented field', () => {
    const { ask } = startQdrant();
    ask('PUT', '/collections/docs', {
      body: { vectors: { size: 1536, distance: 'Cosine' }, hnsw_config: { m: 32 } },
    });
    ask('PUT', '/collections/docs/index', {
      body: { field_name: 'tenant', field_schema: 'keyword' },
    });
    expect(resultOf(ask('GET', '/collections/docs'))).toEqual({
      status: 'green',
      optimizer_status: 'ok',
      indexed_vectors_count: 0,
      points_count: 0,
      segments_count: 2,
      config: {
        params: {
          vectors: { size: 1536, distance: 'Cosine' },
          shard_number: 1,
          replication_factor: 1,
          write_consistency_factor: 1,
          on_disk_payload: true,
        },
        hnsw_config: {
          m: 32,
          ef_construct: 100,
          full_scan_threshold: 10000,
          max_indexing_threads: 0,
          on_disk: false,
        },
        optimizer_config: {
          deleted_threshold: 0.2,
          vacuum_min_vector_number: 1000,
          default_segment_number: 0,
          max_segment_size: null,
          memmap_threshold: null,
          indexing_threshold: 10000,
          flush_interval_sec: 5,
          max_optimization_threads: null,
          prevent_unoptimized: null,
        },
        wal_config: { wal_capacity_mb: 32, wal_segments_ahead: 0, wal_retain_closed: 1 },
        quantization_config: null,
        strict_mode_config: { enabled: false },
      },
      payload_schema: { tenant: { data_type: 'keyword', points: 0 } },
      update_queue: { length: 0 },
    });
  });
});

test('settings change part by part', () => {
  const { ask } = startDocs({}, { hnsw_config: { m: 8 }, metadata: { a: 1 } });
  const body = {
    hnsw_config: { ef_construct: 50 },
    params: { replication_factor: 2 },
    metadata: { b: 2 },
    strict_mode_config: { enabled: true, max_query_limit: 5 },
  };
  expect(resultOf(ask('PATCH', '/collections/docs', { body }))).toBe(true);
  expect(resultOf(ask('GET', '/collections/docs')).config).toMatchObject({
    hnsw_config: { m: 8, ef_construct: 50 },
    params: { replication_factor: 2 },
    metadata: { a: 1, b: 2 },
    strict_mode_config: { enabled: true, max_query_limit: 5 },
  });
});

test('a collection is yellow while more waits for the index than its threshold', () => {
  const { ask } = startDocs({
    qdrant: { latency: { fixed: 0 }, indexPointsPerSecond: 10, indexingThreshold: 20 },
  } as never);
  ask('PUT', '/collections/docs/points', { body: { points: somePoints(50) } });
  const info = (atMs: number) => resultOf(ask('GET', '/collections/docs', { atMs }));
  const running = (atMs: number) =>
    resultOf(ask('GET', '/collections/docs/optimizations', { atMs })).running.length;
  // 10 points are indexed per second: 50, 30 and 20 wait.
  expect(info(0)).toMatchObject({ status: 'yellow', indexed_vectors_count: 0, points_count: 50 });
  expect(info(2_000)).toMatchObject({ status: 'yellow', indexed_vectors_count: 20 });
  expect(running(2_000)).toBe(1);
  expect(info(3_000)).toMatchObject({ status: 'green', indexed_vectors_count: 30 });
  expect(running(3_000)).toBe(0);
  expect(info(9_000)).toMatchObject({ status: 'green', indexed_vectors_count: 50 });
});

test('the update queue is as long as what was taken and is not yet applied', () => {
  const { ask } = startDocs({
    qdrant: { latency: { fixed: 0 }, slots: 1, pointsPerSecond: 1 },
  } as never);
  for (let at = 0; at < 3; at++)
    ask('PUT', '/collections/docs/points', { body: { points: somePoints(1) } });
  const queued = (atMs: number) => resultOf(ask('GET', '/collections/docs', { atMs })).update_queue;
  expect([queued(0), queued(1_500), queued(3_000)]).toEqual([
    { length: 3 },
    { length: 2 },
    { length: 0 },
  ]);
});

test('the node tells of itself', () => {
  const { ask } = startDocs({}, { shard_number: 2 });
  ask('PUT', '/collections/docs/points', { body: { points: somePoints(3) } });
  expect(resultOf(ask('GET', '/cluster'))).toEqual({ status: 'disabled' });
  expect(resultOf(ask('GET', '/collections/docs/cluster'))).toMatchObject({
    shard_count: 2,
    local_shards: [
      { shard_id: 0, points_count: 2, state: 'Active' },
      { shard_id: 1, points_count: 1, state: 'Active' },
    ],
    remote_shards: [],
    shard_transfers: [],
  });
  expect(resultOf(ask('GET', '/telemetry'))).toMatchObject({
    app: { name: 'qdrant', version: '1.19.0' },
    collections: { number_of_collections: 1 },
  });
  expect(resultOf(ask('GET', '/quotas'))).toMatchObject({ config: { enabled: false } });
});

test('metrics are Prometheus text of the key that asks', () => {
  const { ask } = startDocs();
  ask('PUT', '/collections/docs/points', { body: { points: somePoints(3) } });
  ask('GET', '/collections/other');
  for (const path of ['/metrics', '/telemetry'])
    expect(ask('GET', path, { headers: {} }).status).toBe(401);
  const { status, headers, body } = ask('GET', '/metrics');
  expect([status, headers]).toEqual([200, { 'content-type': 'text/plain; charset=utf-8' }]);
  const lines = body.split('\n');
  for (const line of [
    'app_info{name="qdrant",version="1.19.0"} 1',
    'collections_total 1',
    'collections_vector_total 3',
    'collection_points{id="docs"} 3',
    'collection_running_optimizations{id="docs"} 0',
    'collection_update_queue_length{id="docs"} 0',
    'rest_responses_total{method="PUT",endpoint="/collections/{collection_name}/points",status="200"} 1',
    'rest_responses_total{method="GET",endpoint="/collections/{collection_name}",status="404"} 1',
    'rest_responses_duration_seconds_count{method="PUT",endpoint="/collections/{collection_name}/points",status="200"} 1',
    'cluster_enabled 0',
  ])
    expect(lines).toContain(line);
  expect(body).not.toContain('status="404",le=');
  for (const line of lines.filter(Boolean))
    expect(line).toMatch(
      /^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[^}]*("[^"]*"[^}]*)*\})? [\d.e+-]+)$/,
    );
});
