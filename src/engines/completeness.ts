import type { Lab } from '../model/lab.ts';
import type { Cell } from '../model/sweep.ts';

/** A stored point as far as completeness is concerned: its payload tells whose it is. */
export type StoredPoint = { payload: Record<string, unknown> };

export type Completeness = {
  counts: Cell['completeness'];
  /** Points beyond one for each chunk. */
  duplicatePoints: number;
  /** Dotted path of the payload field that names a point's record. */
  recordField: string | undefined;
  /** Chunks of a whole record: what most records have, or the lab says. */
  usualPoints: number;
  /** Ids of records that are there in part, the first ones. Records of which nothing is there are not among them where ids are unknown. */
  lostRecords: string[];
  /** The fields that points have, where none has the one that was given. */
  fieldsSeen?: string[];
};

/** Names that pipelines give the field, tried first where several fields fit as well. */
const usualNames = ['record_id', 'recordId', 'source_id', 'doc_id', 'document_id', 'id'];

/** Names, in small letters and without `_`, that pipelines give a chunk's place in its record. */
const chunkNames = new Set([
  ...['chunk', 'chunkindex', 'chunkidx', 'chunkno', 'chunknum', 'chunknumber', 'chunkid'],
  ...['part', 'position', 'seq', 'startindex'],
]);

const namesShown = 10;
/** Levels below the payload that are looked at: LangChain keeps fields below `metadata`, others one deeper. */
const deepest = 3;

const idIn = (value: unknown): string | undefined =>
  typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;

/** The payload's plain values by dotted path. */
function* fieldsOf(
  payload: Record<string, unknown>,
  below = '',
  level = 0,
): Generator<[path: string, id: string]> {
  for (const [name, value] of Object.entries(payload)) {
    const id = idIn(value);
    if (id !== undefined) yield [below + name, id];
    else if (
      level < deepest &&
      value !== null &&
      typeof value === 'object' &&
      !Array.isArray(value)
    )
      yield* fieldsOf(value as Record<string, unknown>, `${below}${name}.`, level + 1);
  }
}

/** How many points each value of each field has. */
function countByField(points: StoredPoint[]): Map<string, Map<string, number>> {
  const fields = new Map<string, Map<string, number>>();
  for (const { payload } of points)
    for (const [path, id] of fieldsOf(payload)) {
      const counts = fields.get(path) ?? new Map<string, number>();
      fields.set(path, counts);
      counts.set(id, (counts.get(id) ?? 0) + 1);
    }
  return fields;
}

/** The value that occurs most often; of several the largest. */
function mode(counts: Iterable<number>): number {
  const times = new Map<number, number>();
  for (const count of counts) times.set(count, (times.get(count) ?? 0) + 1);
  return [...times].sort((a, b) => b[1] - a[1] || b[0] - a[0])[0]?.[0] ?? 0;
}

const lastName = (path: string): string => path.split('.').at(-1)!;

/** Fields that every point has. */
const onEachPoint = (stored: number, fields: Map<string, Map<string, number>>) =>
  [...fields].filter(([, counts]) => {
    let points = 0;
    for (const count of counts.values()) points += count;
    return points === stored;
  });

/**
 * The field whose values are the records: every point has it, and it has no more values than there are
 * records, but over half as many as the stored points come from. A source's name or a chunk's number has
 * fewer, whatever the field is called. Titles and texts may have as many: one with a value for each record
 * wins, then usual names. Undefined where no field is like that.
 */
function findRecordField(
  stored: number,
  fields: Map<string, Map<string, number>>,
  { records, chunksPerRecord }: Lab['workload'],
): string | undefined {
  const rank = (path: string) => {
    const at = usualNames.indexOf(lastName(path));
    return at < 0 ? usualNames.length : at;
  };
  const least = Math.min(records, stored / chunksPerRecord) / 2;
  const fitting = onEachPoint(stored, fields).filter(
    ([, { size }]) => size <= records && size > least,
  );
  const forEach = fitting.filter(([, { size }]) => size === records);
  const close = forEach.length > 0 ? forEach : fitting;
  const named = close.filter(([path]) => rank(path) < usualNames.length);
  const candidates = named.length > 0 ? named : close;
  return candidates.sort((a, b) => b[1].size - a[1].size || rank(a[0]) - rank(b[0]))[0]?.[0];
}

/** What is stored of a record: its points, and how many different chunks they hold. */
type Stored = { points: number; chunks: number };

/** By the values of `recordField`. Without `chunkField` every point counts as a chunk of its own. */
function storedByRecord(
  points: StoredPoint[],
  recordField: string,
  chunkField?: string,
): Map<string, Stored> {
  const seen = new Map<string, { points: number; chunks: Set<string | number> }>();
  for (const { payload } of points) {
    let [record, chunk]: (string | undefined)[] = [];
    for (const [path, id] of fieldsOf(payload)) {
      if (path === recordField) record = id;
      if (path === chunkField) chunk = id;
    }
    if (record === undefined) continue;
    const found = seen.get(record) ?? { points: 0, chunks: new Set() };
    seen.set(record, found);
    found.points++;
    found.chunks.add(chunkField === undefined ? found.points : (chunk ?? ''));
  }
  return new Map(
    [...seen].map(([id, found]) => [id, { points: found.points, chunks: found.chunks.size }]),
  );
}

/**
 * What is stored of each record, with chunks told apart by the field that numbers them, where there is
 * one: a chunk stored twice does not make up for another that is missing then.
 */
function storedOf(
  points: StoredPoint[],
  fields: Map<string, Map<string, number>>,
  recordField: string,
  chunksPerRecord: number,
): Map<string, Stored> {
  const plain = storedByRecord(points, recordField);
  const usual = mode([...plain.values()].map((stored) => stored.points));
  for (const [path] of onEachPoint(points.length, fields)) {
    if (path === recordField) continue;
    if (!chunkNames.has(lastName(path).replaceAll('_', '').toLowerCase())) continue;
    const told = storedByRecord(points, recordField, path);
    // What is the same for all chunks of a record numbers none.
    if (mode([...told.values()].map(({ chunks }) => chunks)) >= Math.min(usual, chunksPerRecord))
      return told;
  }
  return plain;
}

/**
 * Chunks of a whole record. A pipeline may cut records otherwise than the lab says; then what most records
 * have is whole. Where most have fewer than the lab says and others exactly as many, most have lost some.
 */
function chunksOfWhole(stored: Stored[], chunksPerRecord: number): number {
  const usual = mode(stored.map(({ chunks }) => chunks));
  const asInLab =
    usual < chunksPerRecord && stored.some(({ chunks }) => chunks === chunksPerRecord);
  return asInLab || usual === 0 ? chunksPerRecord : usual;
}

/**
 * Holds what arrived against what was to come: every record's chunks, each exactly once. `recordField`
 * is found where it is not given. A record counts as lost as soon as one of its chunks is missing.
 */
export function judgeCompleteness(
  points: Iterable<StoredPoint>,
  workload: Lab['workload'],
  recordField?: string,
): Completeness {
  const { records, chunksPerRecord } = workload;
  const all = [...points];
  const fields = countByField(all);
  const isThere = recordField === undefined || fields.has(recordField);
  const unknownField = isThere || all.length === 0 ? {} : { fieldsSeen: [...fields.keys()] };
  const field =
    recordField !== undefined && isThere
      ? recordField
      : findRecordField(all.length, fields, workload);
  if (field === undefined) {
    const pointsExpected = records * chunksPerRecord;
    const missing = Math.max(0, pointsExpected - all.length);
    return {
      counts: {
        records,
        pointsExpected,
        pointsStored: all.length,
        recordsFailed: Math.min(records, Math.ceil(missing / chunksPerRecord)),
      },
      duplicatePoints: Math.max(0, all.length - pointsExpected),
      recordField: undefined,
      usualPoints: chunksPerRecord,
      lostRecords: [],
      ...unknownField,
    };
  }
  const stored = storedOf(all, fields, field, chunksPerRecord);
  const expectedEach = chunksOfWhole([...stored.values()], chunksPerRecord);
  let [whole, duplicates] = [0, 0];
  const partial: string[] = [];
  for (const [id, { points: itsPoints, chunks }] of stored) {
    if (chunks >= expectedEach) whole++;
    else if (partial.length < namesShown) partial.push(id);
    duplicates += itsPoints - Math.min(chunks, expectedEach);
  }
  // The ids of the whole table are known where they are numbers from 1 on, as `kneepoint seed` makes them.
  const missing = [...missingIds(stored, records)];
  return {
    counts: {
      records,
      pointsExpected: records * expectedEach,
      pointsStored: all.length,
      recordsFailed: Math.max(0, records - whole),
    },
    duplicatePoints: duplicates,
    recordField: field,
    usualPoints: expectedEach,
    lostRecords: [...partial, ...missing].slice(0, namesShown),
    ...unknownField,
  };
}

function* missingIds(counts: Map<string, unknown>, records: number): Generator<string> {
  const numbered = [...counts.keys()].every((id) => /^\d+$/.test(id) && Number(id) <= records);
  if (!numbered) return;
  let given = 0;
  for (let id = 1; id <= records && given < namesShown; id++) {
    if (counts.has(String(id))) continue;
    given++;
    yield String(id);
  }
}
