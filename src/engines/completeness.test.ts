import fc from 'fast-check';
import { expect, test } from 'vitest';
import { checkLab } from '../lab-file.ts';
import { judgeCompleteness, type StoredPoint } from './completeness.ts';

const workloadOf = (records: number, chunksPerRecord: number) =>
  checkLab({ workload: { records, chunksPerRecord } }, 'test').workload;

function* stored(
  records: number,
  chunks: number,
  payload: (record: number, chunk: number) => Record<string, unknown>,
  skip: (record: number, chunk: number) => boolean = () => false,
): Generator<StoredPoint> {
  for (let record = 1; record <= records; record++)
    for (let chunk = 0; chunk < chunks; chunk++)
      if (!skip(record, chunk)) yield { payload: payload(record, chunk) };
}

const usual = (record: number, chunk: number) => ({
  record_id: record,
  chunk,
  title: `R${record}`,
});

test('all chunks of all records: complete', () => {
  expect(judgeCompleteness(stored(100, 8, usual), workloadOf(100, 8))).toEqual({
    counts: { records: 100, pointsExpected: 800, pointsStored: 800, recordsFailed: 0 },
    duplicatePoints: 0,
    recordField: 'record_id',
    usualPoints: 8,
    lostRecords: [],
  });
});

test('a swallowed batch is told by the ids of its records, those that are wholly gone included', () => {
  const points = stored(
    100,
    8,
    usual,
    (record, chunk) => record === 7 || (record === 9 && chunk > 5),
  );
  const found = judgeCompleteness(points, workloadOf(100, 8));
  expect(found.counts).toEqual({
    records: 100,
    pointsExpected: 800,
    pointsStored: 790,
    recordsFailed: 2,
  });
  expect(found.lostRecords).toEqual(['9', '7']);
});

test('points with random ids that a retry wrote twice are counted', () => {
  const twice = function* () {
    yield* stored(50, 8, usual);
    yield* stored(3, 8, usual);
  };
  const found = judgeCompleteness(twice(), workloadOf(50, 8));
  expect(found).toMatchObject({ duplicatePoints: 24, counts: { recordsFailed: 0 } });
});

test('a duplicate does not make up for a chunk that another record lacks', () => {
  const points = function* () {
    yield* stored(20, 8, usual, (record, chunk) => record === 4 && chunk === 0);
    yield { payload: usual(5, 0) };
  };
  const found = judgeCompleteness(points(), workloadOf(20, 8));
  expect(found.counts).toMatchObject({ pointsStored: 160, recordsFailed: 1 });
  expect(found).toMatchObject({ duplicatePoints: 1, lostRecords: ['4'] });
});

test.each([
  ['LangChain keeps it below metadata', { metadata: { source_id: '12' } }, 'metadata.source_id'],
  ['an unusual name', { page_content: 'same for all', row: 12 }, 'row'],
])('%s', (_name, payload, field) => {
  const named = (record: number, chunk: number) =>
    JSON.parse(JSON.stringify(payload).replaceAll('12', String(record)).replace('all', `${chunk}`));
  const found = judgeCompleteness(stored(30, 4, named), workloadOf(30, 4));
  expect(found).toMatchObject({ recordField: field, counts: { recordsFailed: 0 } });
});

test('without payloads the number of points decides, rounded against the pipeline', () => {
  const points = stored(
    10,
    8,
    () => ({}),
    (record, chunk) => record === 1 && chunk === 0,
  );
  const found = judgeCompleteness(points, workloadOf(10, 8));
  expect(found).toMatchObject({ recordField: undefined, counts: { recordsFailed: 1 } });
});

test('a pipeline that cuts records otherwise than the lab is judged by its own cut', () => {
  const found = judgeCompleteness(
    stored(40, 9, usual, (record, chunk) => record === 40 && chunk === 8),
    workloadOf(40, 8),
  );
  expect(found).toMatchObject({
    usualPoints: 9,
    counts: { pointsExpected: 360, recordsFailed: 1 },
  });
});

test('nothing stored is everything lost', () => {
  expect(judgeCompleteness([], workloadOf(10, 8)).counts).toEqual({
    records: 10,
    pointsExpected: 80,
    pointsStored: 0,
    recordsFailed: 10,
  });
});

test('whatever batches are dropped, the lost records are counted exactly', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 4, max: 60 }),
      fc.integer({ min: 1, max: 9 }),
      fc.func(fc.integer({ min: 0, max: 9 })),
      (records, chunks, dice) => {
        // A third of the records at most: most must be whole to know what whole is.
        const drops = (record: number, chunk: number) =>
          record % 3 === 0 && dice(record, chunk) === 0;
        const expected = Array.from({ length: records }, (_, at) => at + 1).filter((record) =>
          Array.from({ length: chunks }, (_, chunk) => drops(record, chunk)).includes(true),
        );
        const found = judgeCompleteness(
          stored(records, chunks, usual, drops),
          workloadOf(records, chunks),
          'record_id',
        );
        expect(found.counts.recordsFailed).toBe(expected.length);
      },
    ),
  );
});

test.each([
  ['a source that is the same for all', (r: number) => ({ source_id: 'mysql', pk: r }), 'pk'],
  ['a chunk number called id', (r: number, c: number) => ({ id: c, rec: r }), 'rec'],
  [
    'the same below metadata',
    (r: number, c: number) => ({ metadata: { id: c, source: `record ${r}` } }),
    'metadata.source',
  ],
  [
    'an id two levels deep',
    (r: number, c: number) => ({ chunk: c, metadata: { source: { id: r } } }),
    'metadata.source.id',
  ],
  [
    'no field with the record at all',
    (r: number, c: number) => ({ page_content: `t${r}-${c}`, metadata: { source: 'mysql' } }),
    undefined,
  ],
])('%s is not taken for the record', (_name, payload, field) => {
  const found = judgeCompleteness(stored(100, 8, payload), workloadOf(100, 8));
  expect(found).toMatchObject({ recordField: field, counts: { recordsFailed: 0 } });
});

test('a chunk number has as many values as there are records, and still the records win', () => {
  const points = stored(100, 80, (record, chunk) => ({ id: chunk, rec: record }));
  expect(judgeCompleteness(points, workloadOf(100, 8)).recordField).toBe('rec');
});

test.each([
  ['told apart', usual],
  ['not told apart', (record: number) => ({ record_id: record })],
])(
  'most records lack their last chunk, with chunks %s: they are lost, not the others doubled',
  (_name, payload) => {
    const points = stored(20, 8, payload, (record, chunk) => record <= 12 && chunk === 7);
    expect(judgeCompleteness(points, workloadOf(20, 8))).toMatchObject({
      usualPoints: 8,
      duplicatePoints: 0,
      counts: { pointsExpected: 160, pointsStored: 148, recordsFailed: 12 },
    });
  },
);

test('a chunk that is stored twice does not make up for one that its own record lacks', () => {
  const points = function* () {
    yield* stored(20, 8, usual, (record, chunk) => record === 4 && chunk === 0);
    yield { payload: usual(4, 1) };
  };
  expect(judgeCompleteness(points(), workloadOf(20, 8))).toMatchObject({
    duplicatePoints: 1,
    lostRecords: ['4'],
    counts: { pointsStored: 160, recordsFailed: 1 },
  });
});

test('what is called a chunk and is the same in all of a record tells none apart', () => {
  const points = stored(20, 8, (record) => ({ record_id: record, chunk: 'text' }));
  expect(judgeCompleteness(points, workloadOf(20, 8))).toMatchObject({
    duplicatePoints: 0,
    usualPoints: 8,
    counts: { recordsFailed: 0 },
  });
});

test('a field that no point has is not believed: those that there are stand beside the result', () => {
  const found = judgeCompleteness(stored(20, 8, usual), workloadOf(20, 8), 'nope');
  expect(found).toMatchObject({
    recordField: 'record_id',
    fieldsSeen: ['record_id', 'chunk', 'title'],
    counts: { recordsFailed: 0 },
  });
});
