/**
 * Philox4x32-10, a counter-based generator: a draw is a pure function of its key, so neither the
 * number of workers nor the order of events changes which record gets which latency.
 *
 * Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC'11.
 */

/** What a draw is for. Draws of different streams are independent of each other. */
export const streams = {
  read: 1,
  embed: 2,
  upsert: 3,
  retry: 4,
  upsertRetry: 5,
  text: 6,
  rejection: 7,
  fault: 8,
} as const;
export type Stream = (typeof streams)[keyof typeof streams];

/** Names one draw. `record` is the number of the batch's first record, `draw` the batch within it. */
export type DrawKey = { record: number; attempt: number; draw: number };

/** The high 32 bits of a 32 by 32 bit product. */
function mulHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const low = aLow * bLow;
  const middle = aHigh * bLow + (low >>> 16);
  const cross = aLow * bHigh + (middle & 0xffff);
  return (aHigh * bHigh + Math.floor(middle / 65_536) + Math.floor(cross / 65_536)) >>> 0;
}

/** Encrypts the counter `words` (four 32-bit words, changed in place) with a key of two words. */
export function philox4x32(words: Uint32Array, keyLow: number, keyHigh: number): Uint32Array {
  let [c0, c1, c2, c3] = [words[0]!, words[1]!, words[2]!, words[3]!];
  let [k0, k1] = [keyLow, keyHigh];
  for (let round = 0; round < 10; round++) {
    const high0 = mulHigh(0xd2511f53, c0);
    const low0 = Math.imul(0xd2511f53, c0) >>> 0;
    const high1 = mulHigh(0xcd9e8d57, c2);
    const low1 = Math.imul(0xcd9e8d57, c2) >>> 0;
    c0 = (high1 ^ c1 ^ k0) >>> 0;
    c1 = low1;
    c2 = (high0 ^ c3 ^ k1) >>> 0;
    c3 = low0;
    k0 = (k0 + 0x9e3779b9) >>> 0;
    k1 = (k1 + 0xbb67ae85) >>> 0;
  }
  words[0] = c0;
  words[1] = c1;
  words[2] = c2;
  words[3] = c3;
  return words;
}

const words = new Uint32Array(4);

/** A uniform number in the open interval (0, 1) with 53 random bits. */
export function uniform(seed: number, stream: Stream, key: DrawKey): number {
  words[0] = key.record >>> 0;
  words[1] = key.attempt >>> 0;
  words[2] = key.draw >>> 0;
  words[3] = stream;
  philox4x32(words, seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0);
  return ((words[0]! >>> 5) * 2 ** 26 + (words[1]! >>> 6) + 0.5) / 2 ** 53;
}

/** A 32-bit number that names a text: the key of a request that does not say which record it is. */
export function contentKey(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++)
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return hash >>> 0;
}
