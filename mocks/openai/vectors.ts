import { contentKey, philox4x32 } from '../../src/model/random.ts';
import { createTextCache, type TextCache } from './text-cache.ts';

/** A unit vector that depends on the text alone: 16 components of eight random bits from each block. */
export function vectorOf(text: string, dimensions: number): Float32Array {
  const vector = new Float32Array(dimensions);
  const key = contentKey(text);
  const words = new Uint32Array(4);
  let squares = 0;
  for (let at = 0, block = 0; at < dimensions; block++) {
    words.set([block, 0, 0, 0]);
    philox4x32(words, key, text.length);
    for (const word of words) {
      for (let shift = 0; shift < 32 && at < dimensions; shift += 8) {
        const value = ((word >>> shift) & 0xff) - 127.5;
        vector[at++] = value;
        squares += value * value;
      }
    }
  }
  const scale = 1 / Math.sqrt(squares);
  for (let at = 0; at < dimensions; at++) vector[at]! *= scale;
  return vector;
}

export type Encoding = 'float' | 'base64';

/** Bytes of serialized vectors that are kept: the same records are embedded again in each cell. */
const cacheBytes = 64 * 1024 * 1024;

/** Serializes vectors as they go over the wire, exact in nine digits, remembering the latest ones. */
export function createVectorCache(): (text: string, dimensions: number, as: Encoding) => string {
  const caches = new Map<string, TextCache<string>>();
  let bytes = 0;
  return (text, dimensions, as) => {
    const form = `${as}${dimensions}`;
    const known = caches.get(form)?.get(text);
    if (known !== undefined) return known;
    const vector = vectorOf(text, dimensions);
    const written =
      as === 'base64'
        ? `"${Buffer.from(vector.buffer).toString('base64')}"`
        : `[${Array.from(vector, (value) => value.toPrecision(9)).join()}]`;
    bytes += text.length + written.length;
    if (bytes > cacheBytes) {
      caches.clear();
      bytes = text.length + written.length;
    }
    const cache = caches.get(form) ?? createTextCache<string>();
    caches.set(form, cache);
    cache.set(text, written);
    return written;
  };
}
