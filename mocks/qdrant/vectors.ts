import type { Ledger } from './ledger.ts';

/**
 * A request body that vectors are still to be read from. It is in memory as a whole as long as one of
 * them is, so it is charged as a whole.
 */
export class KeptBody {
  readonly bytes: Buffer;
  /** Stored vectors whose numbers are here. */
  users = 0;
  /** Bytes in memory: those of the buffer behind the body. */
  readonly byteLength: number;

  constructor(bytes: Uint8Array) {
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    this.byteLength = bytes.buffer.byteLength;
  }
}

/** Where in a body a vector's list of numbers stands, brackets included: `to` is behind it. */
type Source = { body: KeptBody; from: number; to: number };

/**
 * Brings `values` to length 1 in place. Vectors that are already within 1e-6 of it, or have no length,
 * stay as they are (as the server does it), so that storing what was read back changes nothing.
 */
export const normalise = (values: Float32Array): void => {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]! * values[i]!;
  const length = Math.sqrt(sum);
  if (length < 2 ** -23 || Math.abs(length - 1) <= 1e-6) return;
  for (let i = 0; i < values.length; i++) values[i] = values[i]! / length;
};

/**
 * A dense vector, in the single precision it is stored with. Few vectors of an ingestion are ever read,
 * so one that came as text stays text until then.
 */
export class NamedVector {
  /** The unnamed vector of a collection has the empty name, as in the server. */
  readonly name: string;
  readonly dimensions: number;
  #values: Float32Array | undefined;
  #source: Source | undefined;
  #ledger: Ledger | undefined;
  #unit = false;

  /** From its numbers, which it may change, or from a list that was found to be so many JSON numbers. */
  constructor(name: string, values: Float32Array | (Source & { dimensions: number })) {
    this.name = name;
    if (values instanceof Float32Array) {
      this.dimensions = values.length;
      this.#values = values;
    } else {
      this.dimensions = values.dimensions;
      this.#source = values;
    }
  }

  /** The numbers, read on first use; the text is given up then. */
  values(): Float32Array {
    if (this.#values !== undefined) return this.#values;
    const { body, from, to } = this.#source!;
    const values = Float32Array.from(
      JSON.parse(body.bytes.toString('latin1', from, to)) as number[],
    );
    if (this.#unit) normalise(values);
    const ledger = this.#ledger;
    if (ledger !== undefined) this.release();
    this.#values = values;
    this.#source = undefined;
    if (ledger !== undefined) this.store(ledger, false);
    return values;
  }

  /** The body this vector keeps in memory, if any. */
  get body(): KeptBody | undefined {
    return this.#source?.body;
  }

  /** Bytes of the numbers where they have been read, 4 each. */
  get valueBytes(): number {
    return this.#values?.byteLength ?? 0;
  }

  /** Charges what is kept of it. `unit` brings it to length 1, at once or when it is read. */
  store(ledger: Ledger, unit: boolean): void {
    this.#ledger = ledger;
    if (this.#source === undefined) {
      if (unit) normalise(this.#values!);
      ledger.usedBytes += this.valueBytes;
      return;
    }
    this.#unit = unit;
    const { body } = this.#source;
    if (body.users++ === 0) ledger.usedBytes += body.byteLength;
  }

  /** Takes back the charge of one that is stored no more. */
  release(): void {
    const ledger = this.#ledger;
    if (ledger === undefined) return;
    this.#ledger = undefined;
    ledger.usedBytes -= this.valueBytes;
    const body = this.#source?.body;
    if (body !== undefined && --body.users === 0) ledger.usedBytes -= body.byteLength;
  }
}
