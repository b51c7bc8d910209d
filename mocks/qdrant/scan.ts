/**
 * Reads an upsert straight from its bytes: ids and payloads as ever, of each vector only where it stands
 * and how many numbers it has. JSON.parse makes 1,536 doubles of each, which is nearly all of its time.
 *
 * Whatever is unusual is left to JSON.parse, whose word counts in all cases: what is read here is what
 * it would have read.
 */
import type { PointId } from './ids.ts';
import { plainUuid } from './ids.ts';
import type { JsonRecord } from './json.ts';
import { countNumbers } from './scan-numbers.ts';
import type { NewPoint } from './store.ts';
import { KeptBody, NamedVector } from './vectors.ts';

/** Not what this reader knows. One object, as it is thrown for its effect and its trace is not read. */
class Unusual extends Error {}
const unusual = new Unusual('unusual');

const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });
const word = (text: string): Uint8Array => Buffer.from(text, 'latin1');
const keys = {
  points: word('"points"'),
  batch: word('"batch"'),
  id: word('"id"'),
  vector: word('"vector"'),
  payload: word('"payload"'),
  ids: word('"ids"'),
  vectors: word('"vectors"'),
  payloads: word('"payloads"'),
};
const nullWord = word('null');
const noPayload = { payload: {}, payloadBytes: 2 };

const [quote, backslash, comma, colon] = [0x22, 0x5c, 0x2c, 0x3a];
const [openList, closeList, openMap, closeMap] = [0x5b, 0x5d, 0x7b, 0x7d];
const [digit0, digit9] = [0x30, 0x39];

/** Integers of so many digits are exact in a double. */
const mostDigits = 15;
const uuidLength = 36;

type Payload = { payload: JsonRecord; payloadBytes: number };

class Scanner {
  readonly #body: KeptBody;
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#body = new KeptBody(bytes);
    this.#bytes = this.#body.bytes;
  }

  /** Skips white space. Answers the next byte, undefined at the end. */
  #next(): number | undefined {
    let byte = this.#bytes[this.#at];
    while (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) {
      byte = this.#bytes[++this.#at];
    }
    return byte;
  }

  #take(byte: number): void {
    if (this.#next() !== byte) throw unusual;
    this.#at++;
  }

  /** Takes the word if it comes next. */
  #takes(expected: Uint8Array): boolean {
    this.#next();
    for (let i = 0; i < expected.length; i++) {
      if (this.#bytes[this.#at + i] !== expected[i]) return false;
    }
    this.#at += expected.length;
    return true;
  }

  /** What comes between brackets; an empty list or map is unusual. */
  #each(open: number, close: number, item: () => void): void {
    this.#take(open);
    for (;;) {
      item();
      if (this.#next() === close) break;
      this.#take(comma);
    }
    this.#at++;
  }

  list<T>(item: () => T): T[] {
    const items: T[] = [];
    this.#each(openList, closeList, () => items.push(item()));
    return items;
  }

  /** A map of these keys only; each reader must put up with being called once. */
  map(fields: readonly (readonly [Uint8Array, () => void])[]): void {
    let seen = 0;
    this.#each(openMap, closeMap, () => {
      const index = fields.findIndex(([key]) => this.#takes(key));
      // A key that comes twice: the last one counts in JSON.
      if (index < 0 || (seen & (1 << index)) !== 0) throw unusual;
      seen |= 1 << index;
      this.#take(colon);
      fields[index]![1]();
    });
  }

  readonly id = (): PointId => {
    const first = this.#next();
    if (first === quote) {
      const text = this.#bytes.toString('latin1', this.#at + 1, this.#at + 1 + uuidLength);
      this.#at += 1 + uuidLength;
      if (!plainUuid.test(text)) throw unusual;
      this.#take(quote);
      return text;
    }
    const start = this.#at;
    let id = 0;
    for (;;) {
      const byte = this.#bytes[this.#at];
      if (byte === undefined || byte < digit0 || byte > digit9) break;
      id = id * 10 + byte - digit0;
      this.#at++;
    }
    const digits = this.#at - start;
    // What follows the digits, be it a fraction, is no comma or bracket and found unusual there.
    if (digits === 0 || digits > mostDigits || (first === digit0 && digits > 1)) throw unusual;
    return id;
  };

  readonly vector = (): NamedVector => {
    if (this.#next() !== openList) throw unusual;
    const from = this.#at;
    const end = this.#bytes.indexOf(closeList, from);
    if (end < 0) throw unusual;
    const dimensions = countNumbers(this.#bytes, from + 1, end);
    if (dimensions === 0) throw unusual;
    this.#at = end + 1;
    return new NamedVector('', { body: this.#body, from, to: end + 1, dimensions });
  };

  readonly payload = (): Payload => {
    if (this.#takes(nullWord)) return noPayload;
    if (this.#next() !== openMap) throw unusual;
    const from = this.#at;
    const plain = this.#skipMap();
    const to = this.#at;
    // ASCII bounds the range, so that it decodes to what it would within the whole.
    const text = plain
      ? this.#bytes.toString('latin1', from, to)
      : utf8.decode(this.#bytes.subarray(from, to));
    return { payload: JSON.parse(text) as JsonRecord, payloadBytes: to - from };
  };

  /** Moves behind a map, told by its brackets. Answers whether all of it is ASCII. */
  #skipMap(): boolean {
    const bytes = this.#bytes;
    const { length } = bytes;
    let high = 0;
    let depth = 0;
    let inText = false;
    for (let at = this.#at; at < length; at++) {
      const byte = bytes[at]!;
      high |= byte;
      if (byte === backslash) at++;
      else if (byte === quote) inText = !inText;
      else if (inText) continue;
      else if (byte === openMap) depth++;
      else if (byte === closeMap && --depth === 0) {
        this.#at = at + 1;
        return high < 0x80;
      }
    }
    throw unusual;
  }

  end(): void {
    if (this.#next() !== undefined) throw unusual;
  }
}

const readList = (scanner: Scanner): NewPoint[] =>
  scanner.list(() => {
    let id: PointId | undefined;
    let vector: NamedVector | undefined;
    let rest: Payload = noPayload;
    scanner.map([
      [
        keys.id,
        () => {
          id = scanner.id();
        },
      ],
      [
        keys.vector,
        () => {
          vector = scanner.vector();
        },
      ],
      [
        keys.payload,
        () => {
          rest = scanner.payload();
        },
      ],
    ]);
    if (id === undefined || vector === undefined) throw unusual;
    return { id, vectors: [vector], ...rest };
  });

const readColumns = (scanner: Scanner): NewPoint[] => {
  let ids: PointId[] = [];
  let vectors: NamedVector[] = [];
  let payloads: Payload[] | undefined;
  scanner.map([
    [
      keys.ids,
      () => {
        ids = scanner.list(scanner.id);
      },
    ],
    [
      keys.vectors,
      () => {
        vectors = scanner.list(scanner.vector);
      },
    ],
    [
      keys.payloads,
      () => {
        payloads = scanner.list(scanner.payload);
      },
    ],
  ]);
  const { length } = ids;
  if (length === 0 || vectors.length !== length) throw unusual;
  if (payloads !== undefined && payloads.length !== length) throw unusual;
  return ids.map((id, i) => ({ id, vectors: [vectors[i]!], ...(payloads?.[i] ?? noPayload) }));
};

/**
 * The points of an upsert, undefined where JSON.parse has to see it. Their vectors refer to `bytes`,
 * which must not change any more.
 */
export const scanUpsert = (bytes: Uint8Array): NewPoint[] | undefined => {
  // A small part of a buffer would keep all of it in memory.
  if (bytes.length * 2 < bytes.buffer.byteLength) return undefined;
  const scanner = new Scanner(bytes);
  let points: NewPoint[] | undefined;
  try {
    scanner.map([
      [
        keys.points,
        () => {
          if (points !== undefined) throw unusual;
          points = readList(scanner);
        },
      ],
      [
        keys.batch,
        () => {
          if (points !== undefined) throw unusual;
          points = readColumns(scanner);
        },
      ],
    ]);
    scanner.end();
    return points;
  } catch (error) {
    if (error === unusual || error instanceof SyntaxError) return undefined;
    throw error;
  }
};
