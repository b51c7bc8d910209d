import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readPoints } from './bodies.ts';
import { isRecord } from './json.ts';
import { scanUpsert } from './scan.ts';
import { countNumbers } from './scan-numbers.ts';
import { sourceSha256 } from './scan-numbers.wasm.ts';
import type { NewPoint } from './store.ts';

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const plain = (points: readonly NewPoint[] | undefined) =>
  points?.map(({ id, vectors, payload }) => ({
    id,
    payload,
    vectors: vectors.map((vector) => ({
      name: vector.name,
      dimensions: vector.dimensions,
      values: vector.values(),
    })),
  }));

/** What JSON.parse makes of the same bytes, undefined where they are refused. */
const parsed = (bytes: Uint8Array) => {
  try {
    const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
    const body: unknown = JSON.parse(text);
    return isRecord(body) ? plain(readPoints(body)) : undefined;
  } catch {
    return undefined;
  }
};

const agrees = (bytes: Uint8Array): boolean => {
  const scanned = plain(scanUpsert(bytes));
  if (scanned !== undefined) expect(scanned).toEqual(parsed(bytes));
  return scanned !== undefined;
};

const number = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
  fc.float({ noNaN: true, noDefaultInfinity: true }).map(String),
  fc.integer().map(String),
  fc.constantFrom('0', '-0', '0.0', '1e5', '1E+5', '-2.50e-07', '1e999', '0e0', '10', '5e-324'),
);
const vector = fc
  .tuple(fc.array(number, { minLength: 1, maxLength: 40 }), fc.constantFrom(',', ', '))
  .map(([numbers, comma]) => `[${numbers.join(comma)}]`);
const id = fc.oneof(
  fc.nat().map(String),
  fc.constantFrom('0', '999999999999999', '9007199254740993', '18446744073709551615', '-1', '1.0'),
  fc.uuid().map((uuid) => `"${uuid}"`),
);
const payload = fc.oneof(
  fc
    .dictionary(fc.string({ unit: 'binary' }), fc.jsonValue({ maxDepth: 3 }))
    .map((value) => JSON.stringify(value)),
  fc.constantFrom('null', '{}', '{"text":"]}\\"{["}', '{"__proto__":1,"a":"é\\\\"}'),
);
const fields = fc.record({ id, vector, payload }, { requiredKeys: ['id', 'vector'] });
const space = fc.constantFrom('', '', ' ', '\n');
const list = fc
  .tuple(fc.array(fields, { minLength: 1, maxLength: 4 }), space)
  .map(([points, gap]) => {
    const one = (point: object) =>
      `{${Object.entries(point)
        .map(([key, value]) => `"${key}":${gap}${value}`)
        .join(`,${gap}`)}}`;
    return `{"points":${gap}[${points.map(one).join(`,${gap}`)}]${gap}}`;
  });
const batch = fc
  .array(fc.record({ id, vector, payload }), { minLength: 1, maxLength: 4 })
  .map((points) => {
    const column = (key: 'id' | 'vector' | 'payload') => points.map((point) => point[key]).join();
    return `{"batch":{"ids":[${column('id')}],"vectors":[${column('vector')}],"payloads":[${column('payload')}]}}`;
  });
const body = fc.oneof(list, batch);

describe('reading an upsert from its bytes', () => {
  test('gives what JSON.parse gives, for valid bodies', () => {
    let scanned = 0;
    fc.assert(
      fc.property(body, (text) => {
        if (agrees(bytesOf(text))) scanned++;
      }),
      { numRuns: 500 },
    );
    expect(scanned).toBeGreaterThan(100);
  });

  test('gives it or nothing, for bodies with bytes changed, left out and put in', () => {
    const byte = fc.oneof(fc.constantFrom(...bytesOf('0123456789.,-+eE[]{}" \\:')), fc.nat(255));
    const mutation = fc.tuple(fc.nat(), fc.nat(2), byte);
    fc.assert(
      fc.property(body, fc.array(mutation, { minLength: 1, maxLength: 2 }), (text, mutations) => {
        const bytes = [...bytesOf(text)];
        for (const [at, kind, value] of mutations) {
          bytes.splice(at % bytes.length, kind < 2 ? 1 : 0, ...(kind > 0 ? [value] : []));
        }
        agrees(Uint8Array.from(bytes));
      }),
      { numRuns: 3_000 },
    );
  });

  test.each([
    '1.2.3',
    '01',
    '-01',
    '1e',
    '1e+',
    '--1',
    '1,,2',
    ',1',
    '1,',
    'NaN',
    '1e5.3',
    '1e5e5',
    '.5',
    '5.',
    '+1',
    '-',
    '1 2',
    '1 ,2',
    '"1"',
    'null',
    '[1]',
    '',
    ' ',
    '١',
    '1.2e3.4',
    '0x1',
    '1_0',
    'Infinity',
    '1,\n2',
    '1,  2',
    '1\u00a0',
  ])('leaves the vector [%s] to JSON.parse', (numbers) => {
    for (const before of ['', '0.25,', `${'0.123456789,'.repeat(5)}`, '1234567.25, '.repeat(11)]) {
      const text = `{"points":[{"id":1,"vector":[${before}${numbers}]}]}`;
      if (numbers !== '' || before === '') expect(scanUpsert(bytesOf(text))).toBeUndefined();
    }
  });

  test.each([
    '\ufeff{"points":[{"id":1,"vector":[1]}]}',
    '{"points":[{"id":1,"id":2,"vector":[1]}]}',
    '{"points":[{"id":1,"vector":[1]}],"points":[{"id":2,"vector":[1]}]}',
    '{"points":[{"id":1,"vector":[1]}],"batch":{"ids":[1],"vectors":[[1]]}}',
    '{"batch":{"ids":[1],"vectors":[[1]]},"points":[{"id":1,"vector":[1]}]}',
    '{"points":[{"\\u0069d":1,"vector":[1]}]}',
    '{"points":[{"id":1,"vector":{"a":[1]}}]}',
    '{"points":[{"id":9007199254740993,"vector":[1]}]}',
    '{"points":[{"id":1,"vector":[1],"more":1}]}',
    '{"points":[{"id":1,"vector":[1]}],"update_mode":"upsert"}',
    '{"points":[{"id":1,"vector":[1]}]}}',
    '{"points":[{"id":1,"vector":[1],"payload":{"a":"\n"}}]}',
    '{"points":[]}',
    '{"points":[{"vector":[1]}]}',
    '{"batch":{"ids":[1,2],"vectors":[[1]]}}',
    '',
    '[]',
  ])('leaves %s to JSON.parse', (text) => {
    expect(scanUpsert(bytesOf(text))).toBeUndefined();
  });

  test('does not keep a large buffer for a small part of it', () => {
    const bytes = bytesOf('{"points":[{"id":1,"vector":[1]}]}');
    const buffer = new Uint8Array(8_192);
    buffer.set(bytes);
    expect(scanUpsert(bytes)).toHaveLength(1);
    expect(scanUpsert(buffer.subarray(0, bytes.length))).toBeUndefined();
  });
});

describe('counting numbers', () => {
  test('agrees with JSON.parse for any text of their characters', () => {
    const unit = fc.constantFrom(...'00112345679..,,,--+eE ');
    const text = fc.oneof(
      fc.string({ unit, minLength: 1, maxLength: 8 }),
      fc
        .tuple(vector, fc.string({ unit, maxLength: 3 }), vector)
        .map((parts) => parts.map((part) => part.replace(/[[\]]/g, '')).join('')),
    );
    fc.assert(
      fc.property(text, (numbers) => {
        let expected = 0;
        // A space is read after a comma only, or in front.
        const usual = !/[^,] | {2}/.test(numbers);
        try {
          if (usual) expected = (JSON.parse(`[${numbers}]`) as number[]).length;
        } catch {}
        expect(countNumbers(bytesOf(numbers), 0, numbers.length)).toBe(expected);
      }),
      { numRuns: 10_000 },
    );
  });

  test('is compiled from the source that is here', () => {
    const source = readFileSync(new URL('scan-numbers.wat', import.meta.url));
    expect(createHash('sha256').update(source).digest('hex')).toBe(sourceSha256);
  });
});
