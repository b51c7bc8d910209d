import { formatError, wrongInput } from '../answers.ts';
import { fitPoints, readPoints } from '../bodies.ts';
import { atOnce, type Change } from '../change.ts';
import type { JsonRecord } from '../json.ts';
import { readSelector } from '../selector.ts';
import { nextOperation, pointsWithIds, upsertPoints } from '../store.ts';

/** Replaces the vectors it names and leaves payload and other vectors as they are. */
export const readUpdateVectors = (body: JsonRecord): Change => {
  if (!Array.isArray(body.points)) throw formatError('missing field `points`');
  const wanted = new Map(readPoints({ points: body.points }).map((point) => [point.id, point]));
  const { missed } = readSelector({ points: [...wanted.keys()] });
  return {
    strict: { updated: wanted.size },
    cost: () => wanted.size,
    check: ({ spaces }) => fitPoints(spaces, [...wanted.values()]),
    apply(call, collection) {
      const found = pointsWithIds(collection, [...wanted.keys()]);
      const changed = found.map(({ id, vectors, payload, payloadBytes }) => {
        const next = wanted.get(id)!.vectors;
        const kept = vectors.filter(({ name }) => !next.some((vector) => vector.name === name));
        return { id, payload, payloadBytes, vectors: [...kept, ...next] };
      });
      const operation = upsertPoints(collection, changed);
      missed(call, found);
      return atOnce(operation);
    },
  };
};

const readNames = (value: unknown): string[] => {
  if (!Array.isArray(value) || value.some((name) => typeof name !== 'string'))
    throw formatError('missing field `vector`');
  return value;
};

export const readDeleteVectors = (body: JsonRecord): Change => {
  const names = readNames(body.vector);
  const { strict, ids, missed } = readSelector(body);
  return {
    strict,
    cost: (collection) => ids(collection).length,
    check({ spaces }) {
      const strange = names.find((name) => !spaces.has(name));
      if (strange !== undefined) throw wrongInput(`Not existing vector name error: ${strange}`);
    },
    apply(call, collection) {
      const found = pointsWithIds(collection, ids(collection));
      const version = nextOperation(collection);
      for (const point of found) {
        for (const vector of point.vectors) if (names.includes(vector.name)) vector.release();
        point.vectors = point.vectors.filter(({ name }) => !names.includes(name));
        point.version = version;
      }
      missed(call, found);
      return atOnce(version);
    },
  };
};
