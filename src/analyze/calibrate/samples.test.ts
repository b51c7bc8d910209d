import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readAnswers } from './headers.ts';
import { limitsIn } from './limits.ts';
import { pointNames, readSamples, type SampleOptions, tokenNames } from './samples.ts';

const read = (text: string, options: Partial<SampleOptions> = {}) =>
  readSamples(text, { sizeNames: tokenNames, ...options });

const two = [{ ms: 300 }, { ms: 450.5 }];
const sized = [
  { ms: 300, size: 100 },
  { ms: 450.5, size: 200 },
];

describe('latencies', () => {
  test.each([
    ['one number a line', '300\n450.5\n', two],
    ['CSV in ms', 'latency_ms,tokens\n300,100\n450.5,200\n', sized],
    ['CSV in seconds', 'tokens,duration_s\n100,0.3\n200,0.4505\n', sized],
    [
      'CSV of a spreadsheet',
      '\uFEFF"Latency (ms)";"Prompt Tokens"\r\n300;100\r\n450.5;200\r\n',
      sized,
    ],
    ['tabs and a quoted comma', 'note\telapsed\n"a, b"\t300\nc\t450.5\n', two],
    ['microseconds', 'time_us\n300000\n450500\n', two],
    ['JSON numbers', '[300, 450.5]', two],
    ['JSON lines', '{"latencyMs":300,"tokens":100}\n{"latencyMs":450.5,"tokens":200}', sized],
    ['JSON objects in seconds', '[{"seconds":0.3,"meta":{}},{"seconds":0.4505}]', two],
    ['no unit is ms', 'latency\n300\n450.5', two],
  ])('%s', (_, text, expected) => {
    const found = read(text);
    const samples = 'samples' in found ? found.samples : found;
    expect(samples).toHaveLength(2);
    for (const [at, { ms, ...more }] of (samples as typeof sized).entries()) {
      expect(ms).toBeCloseTo(expected[at]!.ms, 9);
      expect(more).toEqual({ ...expected[at], ms: undefined } as object);
    }
  });

  test('leave out what failed and what timed out, and say so', () => {
    const text = 'status,latency_ms\n200,300\n429,12\n200,5003\n500,80\n201,450\n';
    expect(read(text, { dropFromMs: 5_000 })).toMatchObject({
      samples: [{ ms: 300 }, { ms: 450 }],
      leftOut: ['2 without success (status)', '1 of at least 5000 ms'],
    });
  });

  test('take the column that was asked for, and points for Qdrant', () => {
    const text = 'latency_ms,server_ms,points\n300,90,8\n';
    expect(read(text, { column: 'server_ms', sizeNames: pointNames })).toMatchObject({
      samples: [{ ms: 90, size: 8 }],
      column: 'server_ms',
      sizeColumn: 'points',
    });
  });

  test('may be three percentiles instead', () => {
    expect(read('{"p50": 300, "p95": 600, "p99": 900}')).toEqual({
      percentiles: { p50: 300, p95: 600, p99: 900 },
    });
  });

  test.each([
    ['an empty file', '', 'is empty'],
    [
      'no such column',
      'a,b\n1,2',
      'no column looks like a latency; choose one with --column: a, b',
    ],
    [
      'a number that is none',
      'latency_ms\n300\nfast\n',
      'entry 2: latency_ms must be a time, got "fast"',
    ],
    ['a negative time', '[-1]', 'entry 1: value must be a time, got "-1"'],
    ['a short line', 'a,latency\n1,2\n3\n', 'line 3 has 1 columns, the first line 2'],
    ['columns without names', '1,2\n3,4\n', 'the first line names no columns'],
    ['half a JSON', '[300, 4', 'line 1 is not JSON'],
    ['a nested JSON', '[[1]]', 'entry 1 is neither a number nor an object'],
  ])('%s is refused in one line', (_, text, problem) => {
    const found = read(text);
    expect('problem' in found ? found.problem : found).toContain(problem);
    expect(JSON.stringify(found)).not.toContain('\\n');
  });

  test('a column that is not there is named with those that are', () => {
    expect(read('latency,b\n1,2', { column: 'c' })).toEqual({
      problem: 'has no column c; it has latency, b',
    });
  });
});

test('whatever a file holds, it is read or refused, and never makes reading fail', () => {
  const text = fc.oneof(
    fc.string(),
    fc.json(),
    fc.array(fc.json()).map((lines) => lines.join('\n')),
    fc
      .array(fc.array(fc.string(), { maxLength: 4 }).map((cells) => cells.join(',')))
      .map((lines) => ['latency_ms,status', ...lines].join('\n')),
    fc
      .array(fc.string())
      .map((lines) => ['HTTP/2 200', 'x-ratelimit-limit-tokens: 5', ...lines].join('\n')),
    fc.json().map((entries) => `{"log":{"entries":${entries}}}`),
    fc.json().map((headers) => `{"headers":${headers}}`),
  );
  fc.assert(
    fc.property(text, (content) => {
      const samples = read(content);
      if ('samples' in samples)
        for (const { ms } of samples.samples) expect(ms).toBeGreaterThanOrEqual(0);
      const answers = readAnswers(content);
      if (Array.isArray(answers)) limitsIn(answers, 'text-embedding-3-small');
    }),
    { numRuns: 2_000, seed: 1 },
  );
});
