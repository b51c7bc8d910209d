import { philox4x32, streams } from './random.ts';

const syllables = ['ka', 'lo', 'mi', 'ne', 'ru', 'sa', 'to', 've', 'an', 'el', 'is', 'or'];

/** A stretch of ASCII words that all texts of a seed are cut from: cheap, and different for each chunk. */
function wordsOf(seed: number, length: number): string {
  let text = '';
  for (let block = 0; text.length < length; block++) {
    const words = philox4x32(
      Uint32Array.of(block, 0, 0, streams.text),
      seed >>> 0,
      Math.floor(seed / 2 ** 32) >>> 0,
    );
    for (const word of words) {
      for (let rest = word, left = 1 + (word % 3); left >= 0; left--, rest = Math.floor(rest / 12))
        text += syllables[rest % 12];
      text += ' ';
    }
  }
  return text;
}

/** Makes the text of a chunk: ASCII, exactly `bytes` long, the same for the same seed, record and chunk. */
export function chunkText(seed: number, bytes: number): (record: number, chunk: number) => string {
  const stretch = 4_096;
  const words = wordsOf(seed, bytes + stretch);
  return (record, chunk) => {
    const name = `r${record}c${chunk} `;
    const from = (record * 31 + chunk * 17) % stretch;
    return (name + words.slice(from, from + bytes)).slice(0, bytes);
  };
}
