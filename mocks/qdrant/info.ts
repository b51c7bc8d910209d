import type { Schemas } from '@qdrant/js-client-rest';
import type { UpsertState } from '../../src/model/upserts.ts';
import { pathOf, valuesAt } from './filter.ts';
import { isRecord, type JsonRecord } from './json.ts';
import type { Collection } from './store.ts';

const hnswDefaults = {
  m: 16,
  ef_construct: 100,
  full_scan_threshold: 10000,
  max_indexing_threads: 0,
  on_disk: false,
};

const optimizerDefaults = {
  deleted_threshold: 0.2,
  vacuum_min_vector_number: 1000,
  default_segment_number: 0,
  max_segment_size: null,
  memmap_threshold: null,
  indexing_threshold: 10000,
  flush_interval_sec: 5,
  max_optimization_threads: null,
  prevent_unoptimized: null,
};

const walDefaults = { wal_capacity_mb: 32, wal_segments_ahead: 0, wal_retain_closed: 1 };

const recordOr = (value: unknown, otherwise: JsonRecord): JsonRecord =>
  isRecord(value) ? value : otherwise;

const indexInfo = (collection: Collection, field: string, schema: string | JsonRecord) => {
  const path = pathOf(field);
  const holds = (payload: JsonRecord): boolean =>
    valuesAt(payload, path).some((value) => value !== undefined && value !== null);
  let points = 0;
  for (const { payload } of collection.points.values()) if (holds(payload)) points++;
  return {
    data_type: isRecord(schema) ? schema.type : schema,
    ...(isRecord(schema) ? { params: schema } : {}),
    points,
  };
};

/**
 * What `GET /collections/:name` tells: the settings the collection was created with over the server's
 * defaults, and how far the lab's optimizer is. Its backlog is the key's, not the collection's. Apart
 * from strict mode the settings are told back and have no effect.
 */
export const collectionInfo = (
  collection: Collection,
  { yellow, backlog, queued }: UpsertState,
): Schemas['CollectionInfo'] => {
  const { settings } = collection;
  return {
    status: yellow ? 'yellow' : 'green',
    optimizer_status: 'ok',
    indexed_vectors_count: Math.max(0, collection.points.size - backlog),
    points_count: collection.points.size,
    segments_count: 2,
    config: {
      params: {
        vectors: settings.vectors ?? {},
        shard_number: settings.shard_number ?? 1,
        replication_factor: settings.replication_factor ?? 1,
        write_consistency_factor: settings.write_consistency_factor ?? 1,
        on_disk_payload: settings.on_disk_payload ?? true,
      },
      hnsw_config: { ...hnswDefaults, ...recordOr(settings.hnsw_config, {}) },
      optimizer_config: { ...optimizerDefaults, ...recordOr(settings.optimizers_config, {}) },
      wal_config: { ...walDefaults, ...recordOr(settings.wal_config, {}) },
      quantization_config: settings.quantization_config ?? null,
      strict_mode_config: recordOr(settings.strict_mode_config, { enabled: false }),
      ...(isRecord(settings.metadata) ? { metadata: settings.metadata } : {}),
    },
    payload_schema: Object.fromEntries(
      [...collection.indexes].map(([field, schema]) => [
        field,
        indexInfo(collection, field, schema),
      ]),
    ),
    update_queue: { length: queued },
    // The settings come from the client and go back as they came, whatever their types.
  } as Schemas['CollectionInfo'];
};
