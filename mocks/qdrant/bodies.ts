import { formatError, invalid, Refusal, unserved, wrongInput } from './answers.ts';
import { type PointId, readPointId } from './ids.ts';
import { isRecord, type JsonRecord } from './json.ts';
import { dropPaths, pickPaths } from './payload-paths.ts';
import type { Distance, NewPoint, Point, Space } from './store.ts';
import { NamedVector } from './vectors.ts';

/** The body as an object. */
export const readBody = (body: unknown): JsonRecord => {
  if (body === undefined) throw formatError('EOF while parsing a value at line 1 column 0');
  if (!isRecord(body)) throw formatError('invalid type, expected a map');
  return body;
};

/** Refuses the fields that would change the answer and are left out here. */
export const refuseFields = (body: JsonRecord, names: readonly string[]): void => {
  const name = names.find((field) => body[field] !== undefined && body[field] !== null);
  if (name !== undefined) throw unserved(name);
};

/** A whole number of at least `least`, `otherwise` where it is absent. */
export const readCount = (
  body: JsonRecord,
  name: string,
  least: number,
  otherwise: number,
): number => {
  const value = body[name] ?? otherwise;
  if (!Number.isInteger(value) || (value as number) < 0) {
    throw formatError(`invalid value: ${JSON.stringify(value)}, expected usize`);
  }
  if ((value as number) < least) {
    throw invalid('JSON body', `${name}: value ${value} invalid, must be ${least} or larger`);
  }
  return value as number;
};

const distances: readonly string[] = ['Cosine', 'Euclid', 'Dot', 'Manhattan'] satisfies Distance[];

const readSpace = (value: unknown, path: string): Space => {
  if (
    !isRecord(value) ||
    !Number.isInteger(value.size) ||
    !distances.includes(value.distance as string)
  ) {
    throw formatError('data did not match any variant of untagged enum VectorsConfig');
  }
  refuseFields(value, ['multivector_config']);
  const size = value.size as number;
  if (size < 1 || size > 65536) {
    throw invalid('JSON body', `${path}: value ${size} invalid, must be from 1 to 65536`);
  }
  return { size, distance: value.distance as Distance };
};

/** The vectors of a new collection by name, an unnamed one under the empty name. */
export const readSpaces = (vectors: unknown): Map<string, Space> => {
  if (vectors === undefined || vectors === null) return new Map();
  if (!isRecord(vectors)) return new Map([['', readSpace(vectors, 'vectors.size')]]);
  const isUnnamed = 'size' in vectors && !isRecord(vectors.size);
  if (isUnnamed) return new Map([['', readSpace(vectors, 'vectors.size')]]);
  return new Map(
    Object.entries(vectors).map(([name, value]) => [
      name,
      readSpace(value, `vectors.${name}.size`),
    ]),
  );
};

const vectorError = () =>
  formatError('data did not match any variant of untagged enum VectorStruct');

/** The numbers of a dense vector, in the single precision they are stored with. */
export const readVector = (value: unknown): Float32Array => {
  if (!Array.isArray(value)) throw vectorError();
  const values = new Float32Array(value.length);
  for (let i = 0; i < value.length; i++) {
    const element: unknown = value[i];
    if (typeof element !== 'number') throw vectorError();
    values[i] = element;
  }
  return values;
};

const readVectors = (value: unknown): NamedVector[] => {
  if (Array.isArray(value)) return [new NamedVector('', readVector(value))];
  if (!isRecord(value)) throw vectorError();
  return Object.entries(value).map(([name, values]) => new NamedVector(name, readVector(values)));
};

const readPayload = (value: unknown): Pick<NewPoint, 'payload' | 'payloadBytes'> => {
  if (value === undefined || value === null) return { payload: {}, payloadBytes: 2 };
  if (!isRecord(value)) throw formatError('invalid type, expected a map');
  return { payload: value, payloadBytes: JSON.stringify(value).length };
};

const readPoint = (value: unknown): NewPoint => {
  if (!isRecord(value)) throw formatError('invalid type, expected struct PointStruct');
  if (value.id === undefined) throw formatError('missing field `id`');
  if (value.vector === undefined) throw formatError('missing field `vector`');
  return {
    id: readPointId(value.id),
    vectors: readVectors(value.vector),
    ...readPayload(value.payload),
  };
};

/** A column of the batch form, as long as the ids. */
const readColumn = (value: unknown, name: string, length: number): unknown[] => {
  if (!Array.isArray(value)) throw formatError('Invalid PointInsertOperations format');
  if (value.length !== length) {
    throw invalid(
      'JSON body',
      `batch: number of ids and ${name} must be equal (${length} != ${value.length})`,
    );
  }
  return value;
};

const readBatch = (batch: JsonRecord): NewPoint[] => {
  if (!Array.isArray(batch.ids)) throw formatError('missing field `ids`');
  const ids = batch.ids.map(readPointId);
  const columns = isRecord(batch.vectors)
    ? Object.entries(batch.vectors)
    : [['', batch.vectors] as const];
  const vectors = columns.map(([name, column]) => ({
    name,
    column: readColumn(column, 'vectors', ids.length),
  }));
  const payloads = batch.payloads ? readColumn(batch.payloads, 'payloads', ids.length) : [];
  return ids.map((id, i) => ({
    id,
    vectors: vectors.map(({ name, column }) => new NamedVector(name, readVector(column[i]))),
    ...readPayload(payloads[i]),
  }));
};

/** The points of an upsert in either form. Whether they fit a collection is still to be seen. */
export const readPoints = (body: JsonRecord): NewPoint[] => {
  refuseFields(body, ['update_filter']);
  if (body.update_mode !== 'upsert') refuseFields(body, ['update_mode']);
  if (Array.isArray(body.points)) return body.points.map(readPoint);
  if (isRecord(body.batch)) return readBatch(body.batch);
  throw formatError('Invalid PointInsertOperations format');
};

/** Refuses a vector that has no place in the collection. */
export const fitVector = (
  spaces: ReadonlyMap<string, Space>,
  name: string,
  values: Pick<Float32Array, 'length'>,
): void => {
  const space = spaces.get(name);
  if (space === undefined) throw wrongInput(`Not existing vector name error: ${name}`);
  if (values.length !== space.size) {
    const where = name === '' ? '' : ` for vector '${name}'`;
    throw wrongInput(
      `Vector dimension error: expected dim: ${space.size}, got ${values.length}${where}`,
    );
  }
};

/** Refuses an upsert as a whole when it is empty or one of its vectors does not fit. */
export const fitPoints = (
  spaces: ReadonlyMap<string, Space>,
  points: readonly NewPoint[],
): void => {
  if (points.length === 0) throw new Refusal(400, 'Bad request: Empty update request');
  for (const { vectors } of points) {
    for (const { name, dimensions } of vectors) fitVector(spaces, name, { length: dimensions });
  }
};

/** The ids of a body's list. */
export const readIds = (value: unknown): PointId[] => {
  if (!Array.isArray(value)) throw formatError('invalid type, expected a sequence');
  return value.map(readPointId);
};

/**
 * The shortest decimal that is this single-precision number, as the server prints it: 0.1 rather than
 * 0.10000000149011612.
 */
const shortFloat = (value: number): number => {
  for (let digits = 6; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return short;
  }
  return value;
};

const numbersOf = (values: Float32Array): number[] => Array.from(values, shortFloat);

const vectorsOf = (
  point: Point,
  names: readonly string[] | undefined,
): number[] | Record<string, number[]> => {
  const unnamed = point.vectors.find(({ name }) => name === '');
  if (unnamed !== undefined) return numbersOf(unnamed.values());
  return Object.fromEntries(
    point.vectors
      .filter(({ name }) => names?.includes(name) ?? true)
      .map((vector) => [vector.name, numbersOf(vector.values())]),
  );
};

/** Which of a point's parts go into an answer, as `with_payload` and `with_vector` put it. */
export type Shape = (point: Point, score?: number) => JsonRecord;

const readFields = (value: unknown): string[] => {
  if (!Array.isArray(value) || value.some((field) => typeof field !== 'string')) {
    throw formatError('data did not match any variant of untagged enum WithPayloadInterface');
  }
  return value;
};

const payloadShape = (wish: unknown): ((payload: JsonRecord) => JsonRecord | undefined) => {
  if (wish === true) return (payload) => payload;
  if (wish === false) return () => undefined;
  const excluded = isRecord(wish) && wish.exclude !== undefined;
  const fields = readFields(isRecord(wish) ? (wish.exclude ?? wish.include) : wish);
  return (payload) => (excluded ? dropPaths(payload, fields) : pickPaths(payload, fields));
};

/** How the points of an answer look. The payload comes by default where `payloadByDefault` says so. */
export const readShape = (body: JsonRecord, payloadByDefault: boolean): Shape => {
  const payloadOf = payloadShape(body.with_payload ?? payloadByDefault);
  const wish = body.with_vector ?? body.with_vectors ?? false;
  const names = Array.isArray(wish) ? (wish as string[]) : undefined;
  if (names === undefined && typeof wish !== 'boolean') {
    throw formatError('data did not match any variant of untagged enum WithVector');
  }
  return (point, score) => {
    const payload = payloadOf(point.payload);
    return {
      id: point.id,
      ...(score === undefined ? {} : { version: point.version, score: shortFloat(score) }),
      ...(payload === undefined ? {} : { payload }),
      ...(wish === false ? {} : { vector: vectorsOf(point, names) }),
    };
  };
};
