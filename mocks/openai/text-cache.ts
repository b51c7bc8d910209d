/**
 * Remembers something of texts. A Map of texts hashes each of them whole, which for the chunks of a large
 * request takes longer than all else; this one looks at a few characters and then compares, which is a
 * matter of copying speed.
 */
export type TextCache<T> = {
  get: (text: string) => T | undefined;
  /** The text is new to the cache. */
  set: (text: string, value: T) => void;
  clear: () => void;
};

const samples = 16;
/** Texts of the same samples that are remembered; the oldest goes first. */
const mostAlike = 8;

function sampleOf(text: string): number {
  let hash = text.length;
  // The end counts too: texts that differ in a last number only are common.
  const step = Math.max(1, Math.floor((text.length - 1) / (samples - 1)));
  for (let at = text.length - 1; at >= 0; at -= step)
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash;
}

export function createTextCache<T>(): TextCache<T> {
  const alike = new Map<number, { text: string; value: T }[]>();
  return {
    get(text) {
      const entries = alike.get(sampleOf(text));
      if (entries) for (const entry of entries) if (entry.text === text) return entry.value;
      return undefined;
    },
    set(text, value) {
      const sample = sampleOf(text);
      const entries = alike.get(sample);
      if (!entries) alike.set(sample, [{ text, value }]);
      else {
        if (entries.length === mostAlike) entries.shift();
        entries.push({ text, value });
      }
    },
    clear: () => alike.clear(),
  };
}
