/**
 * Billed tokens: all embedding models use cl100k_base, and what looks like a special token is text
 * [documented and measured]. The rate limiter never asks here: it charges bytes / 4.
 */

import { countTokens, isWithinTokenLimit } from 'gpt-tokenizer/encoding/cl100k_base';
import { createTextCache } from './text-cache.ts';

/** Tokens of one input at most [documented]. */
export const mostInputTokens = 8_192;
/** Tokens of all inputs of a request at most [documented]. */
export const mostRequestTokens = 300_000;

/** Characters of the longest token, 128 spaces: no text gets by with fewer tokens than its length / 128. */
const longestToken = 128;

/** Characters of texts whose counts are remembered. */
const cacheCharacters = 32 * 1024 * 1024;

/**
 * Where a piece (a run of letters, of signs or of white space) is cut. The tokenizer's time grows with
 * the square of a piece: 100,000 times `a` take 7 s, and 10 ms cut. A cut parts what may have been one
 * token, so that each adds at most one or so (0.1 % of random letters [measured]); runs of one
 * character are counted exactly, as 512 is a multiple of their tokens' lengths.
 */
const cut = /\p{L}{512}(?=\p{L})|[^\s\p{L}\p{N}]{512}(?=[^\s\p{L}\p{N}])|\s{512}(?=\s)/gu;
const asText = { disallowedSpecial: new Set<string>() };

function* parts(text: string): Generator<string> {
  let from = 0;
  if (text.length > 512)
    for (const { index, 0: run } of text.matchAll(cut)) {
      yield text.slice(from, index + run.length);
      from = index + run.length;
    }
  yield from === 0 ? text : text.slice(from);
}

/** The tokens of a text, or Infinity where they are more than `most`, which is found out early. */
export function countUpTo(text: string, most: number): number {
  if (text.length > most * longestToken) return Infinity;
  let tokens = 0;
  for (const part of parts(text)) {
    const left = most - tokens;
    // Counting is quicker than watching the limit, and no character is more than three bytes or tokens.
    const counted =
      part.length * 3 <= left ? countTokens(part, asText) : isWithinTokenLimit(part, left, asText);
    if (counted === false) return Infinity;
    tokens += counted;
  }
  return tokens;
}

/** Billed tokens from UTF-8 bytes alone: charged tokens are 1.11 times the billed ones [recorded]. */
export const estimatedTokens = (utf8Bytes: number): number =>
  Math.max(1, Math.round(utf8Bytes / 4 / 1.11));

/** Counts an input's tokens, remembering the latest texts. Infinity above `mostInputTokens`. */
export function createTokenCounter(): (text: string) => number {
  const cache = createTextCache<number>();
  let characters = 0;
  return (text) => {
    const known = cache.get(text);
    if (known !== undefined) return known;
    const tokens = countUpTo(text, mostInputTokens);
    characters += text.length;
    if (characters > cacheCharacters) {
      cache.clear();
      characters = text.length;
    }
    // A text over the limit may be as long as the body: it is refused, so it is not worth its room.
    if (tokens === Infinity) characters -= text.length;
    else cache.set(text, tokens);
    return tokens;
  };
}
