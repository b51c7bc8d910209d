import { contentKey } from '../../../src/model/random.ts';
import { drawKeyOf } from '../../draw-key.ts';
import { BadGateway } from '../answers.ts';
import { fitPoints, readPoints } from '../bodies.ts';
import { bodyOf, type Call } from '../call.ts';
import type { Change } from '../change.ts';
import type { JsonRecord } from '../json.ts';
import { scanUpsert } from '../scan.ts';
import { checkRoom, type NewPoint, upsertPoints } from '../store.ts';

/**
 * Stores the points once all of them are found good, so that a refused request leaves nothing behind.
 * They can be read at once; only the answer is kept back.
 */
export const upsertOf = (points: readonly NewPoint[]): Change => ({
  strict: { upserted: points.length },
  cost: () => points.length,
  check(collection) {
    fitPoints(collection.spaces, points);
    checkRoom(collection, points);
  },
  apply({ run, request, nowMs }, collection) {
    const fresh = new Set<NewPoint['id']>();
    for (const { id } of points) if (!collection.points.has(id)) fresh.add(id);
    const nowUs = run.clockUs(nowMs);
    const key = drawKeyOf(request, () => contentKey(String(points[0]!.id)));
    const write = { points: points.length, added: fresh.size };
    const { acknowledgedUs, appliedUs, refusal } = run.upserts.write(write, key, nowUs);
    run.seen.upserts++;
    if (refusal !== undefined) throw new BadGateway();
    return {
      operation: upsertPoints(collection, points),
      acknowledgedUs: acknowledgedUs - nowUs,
      appliedUs: appliedUs - nowUs,
      points: points.length,
    };
  },
});

/** The upsert that is a whole request. */
export const upsertIn = (call: Call): Change =>
  upsertOf(scanUpsert(call.request.bytes) ?? readPoints(bodyOf(call)));

export const readUpsert = (body: JsonRecord): Change => upsertOf(readPoints(body));
