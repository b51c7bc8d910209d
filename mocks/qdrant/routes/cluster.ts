import { type Call, collectionOf, json, type KeyedRoute } from '../call.ts';

/** A name for the one peer; the server draws such numbers at random. */
const peerId = 1_152_921_504;

const shards = (call: Call) => {
  const { points, settings } = collectionOf(call);
  const count = typeof settings.shard_number === 'number' ? settings.shard_number : 1;
  return json({
    peer_id: peerId,
    shard_count: count,
    local_shards: Array.from({ length: Math.min(count, 100) }, (_, shard_id) => ({
      shard_id,
      points_count: Math.floor(points.size / count) + (shard_id < points.size % count ? 1 : 0),
      state: 'Active',
    })),
    remote_shards: [],
    shard_transfers: [],
  });
};

/** Measured quotas exist on a node; this one has none set and uses nothing. */
const quotas = () =>
  json({
    config: { enabled: false },
    usage: { resident_memory_percent: 0, disk_usage_percent: 0 },
  });

const telemetry = ({ run }: Call) =>
  json({
    id: `kneepoint-${run.name}`,
    app: { name: 'qdrant', version: '1.19.0' },
    collections: { number_of_collections: run.store.collections.size },
    cluster: { enabled: false },
  });

export const clusterRoutes: KeyedRoute[] = [
  { method: 'GET', path: '/cluster', run: () => json({ status: 'disabled' }) },
  { method: 'GET', path: '/collections/:name/cluster', run: shards },
  { method: 'GET', path: '/quotas', run: quotas },
  { method: 'GET', path: '/telemetry', run: telemetry },
];
