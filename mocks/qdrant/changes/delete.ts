import { formatError } from '../answers.ts';
import { atOnce, type Change } from '../change.ts';
import type { JsonRecord } from '../json.ts';
import { readSelector } from '../selector.ts';
import { deletePoints } from '../store.ts';

export const readDelete = (body: JsonRecord): Change => {
  const { strict, ids } = readSelector(
    body,
    formatError('data did not match any variant of untagged enum PointsSelector'),
  );
  return {
    strict,
    cost: (collection) => ids(collection).length,
    check: () => {},
    apply({ run }, collection) {
      const before = collection.points.size;
      const operation = deletePoints(collection, ids(collection));
      run.upserts.remove(before - collection.points.size);
      return atOnce(operation);
    },
  };
};
