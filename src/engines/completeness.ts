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
  /** Points that most records have. */
  usualPoints: number;
  /** Ids of records that are there in part, the first ones. Records of which nothing is there are not among them where ids are unknown. */
  lostRecords: string[];
};

/** Names that pipelines give the field, tried first where several fields fit as well. */
const usualNames = ['record_id', 'recordId', 'source_id', 'doc_id', 'document_id', 'id'];

const namesShown = 10;

const idIn = (value: unknown): string | undefined =>
  typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;

/** The payload's plain values by path, one level deep: LangChain keeps them below `metadata`. */
function* fieldsOf(payload: Record<string, unknown>): Generator<[path: string, id: string]> {
  for (const [name, value] of Object.entries(payload)) {
    const id = idIn(value);
    if (id !== undefined) yield [name, id];
    else if (value !== null && typeof value === 'object' && !Array.isArray(value))
      for (const [inner, innerValue] of Object.entries(value)) {
        const innerId = idIn(innerValue);
        if (innerId !== undefined) yield [`${name}.${inner}`, innerId];
      }
  }
}

/** How many points each value of each field has. */
function countByField(points: Iterable<StoredPoint>): {
  stored: number;
  fields: Map<string, Map<string, number>>;
} {
  const fields = new Map<string, Map<string, number>>();
  let stored = 0;
  for (const { payload } of points) {
    stored++;
    for (const [path, id] of fieldsOf(payload)) {
      const counts = fields.get(path) ?? new Map<string, number>();
      fields.set(path, counts);
      counts.set(id, (counts.get(id) ?? 0) + 1);
    }
  }
  return { stored, fields };
}

/** The value that occurs most often; of several the largest. */
function mode(counts: Iterable<number>): number {
  const times = new Map<number, number>();
  for (const count of counts) times.set(count, (times.get(count) ?? 0) + 1);
  return [...times].sort((a, b) => b[1] - a[1] || b[0] - a[0])[0]?.[0] ?? 0;
}

/**
 * The field whose values are the records: every point has it, and it has no more values than there are
 * records, but nearly as many. Chunk numbers are few, titles and texts may be as many: usual names win.
 */
function findRecordField(
  stored: number,
  fields: Map<string, Map<string, number>>,
  records: number,
): string | undefined {
  const rank = (path: string) => {
    const at = usualNames.indexOf(path.split('.').at(-1)!);
    return at < 0 ? usualNames.length : at;
  };
  const whole = [...fields].filter(([, counts]) => {
    let points = 0;
    for (const count of counts.values()) points += count;
    return points === stored && counts.size <= records;
  });
  const named = whole.filter(([path]) => rank(path) < usualNames.length);
  const candidates = named.length > 0 ? named : whole;
  return candidates.sort((a, b) => b[1].size - a[1].size || rank(a[0]) - rank(b[0]))[0]?.[0];
}

/**
 * Holds what arrived against what was to come: every record's chunks, each exactly once. `recordField`
 * is found where it is not given. A record counts as lost as soon as one of its chunks is missing.
 */
export function judgeCompleteness(
  points: Iterable<StoredPoint>,
  { records, chunksPerRecord }: Lab['workload'],
  recordField?: string,
): Completeness {
  const { stored, fields } = countByField(points);
  const field = recordField ?? findRecordField(stored, fields, records);
  const counts = field === undefined ? undefined : fields.get(field);
  // A pipeline may cut records otherwise than the lab says; then what most records have is whole.
  const usual = counts ? mode(counts.values()) : 0;
  const expectedEach = usual > 0 ? usual : chunksPerRecord;
  const pointsExpected = records * expectedEach;
  if (!counts) {
    return {
      counts: {
        records,
        pointsExpected,
        pointsStored: stored,
        recordsFailed: Math.min(
          records,
          Math.ceil(Math.max(0, pointsExpected - stored) / expectedEach),
        ),
      },
      duplicatePoints: Math.max(0, stored - pointsExpected),
      recordField: undefined,
      usualPoints: expectedEach,
      lostRecords: [],
    };
  }
  let [whole, duplicates] = [0, 0];
  const partial: string[] = [];
  for (const [id, count] of counts) {
    if (count >= expectedEach) whole++;
    else if (partial.length < namesShown) partial.push(id);
    duplicates += Math.max(0, count - expectedEach);
  }
  // The ids of the whole table are known where they are numbers from 1 on, as `kneepoint seed` makes them.
  const missing = [...missingIds(counts, records)];
  return {
    counts: {
      records,
      pointsExpected,
      pointsStored: stored,
      recordsFailed: Math.max(0, records - whole),
    },
    duplicatePoints: duplicates,
    recordField: field,
    usualPoints: expectedEach,
    lostRecords: [...partial, ...missing].slice(0, namesShown),
  };
}

function* missingIds(counts: Map<string, number>, records: number): Generator<string> {
  const numbered = [...counts.keys()].every((id) => /^\d+$/.test(id) && Number(id) <= records);
  if (!numbered) return;
  let given = 0;
  for (let id = 1; id <= records && given < namesShown; id++) {
    if (counts.has(String(id))) continue;
    given++;
    yield String(id);
  }
}
