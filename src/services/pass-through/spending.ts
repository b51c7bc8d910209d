/** What the embeddings that passed through have cost, and the limit that stops them. Knows neither sockets nor time. */
import { embeddingPrice } from '../../model/prices.ts';

export type SpendingView = {
  /** For requests that are answered. */
  usd: number;
  /** Billed tokens by the answers' `usage`; where there was none, by estimate. */
  tokens: number;
  /** Requests that were answered, or may have been, without telling their tokens: counted by estimate. */
  estimated: number;
  /** Requests that were refused for the limit's sake. */
  refused: number;
  /** The words of the first refusal; absent where all went through. With one the run is not whole. */
  refusal?: string;
  /** The limit was reached: nothing more is let through. */
  exceeded: boolean;
  /** Models without a known price; their tokens are in `tokens` and not in `usd`. */
  unpriced: string[];
};

/** What became of a request: its billed tokens, `none` where nothing is billed, `unknown` where it can't be told. */
export type Billed = number | 'none' | 'unknown';

/** A request that may go on, until it is settled; or the reason why it may not. */
export type Reservation = { settle: (billed: Billed) => void } | { refusal: string };

export type Spending = {
  /** Asks for a request of so many body bytes. */
  reserve: (model: string | undefined, bytes: number) => Reservation;
  /** Counts a request that may cost anything and was refused because of that. */
  refuse: (problem: string) => void;
  view: () => SpendingView;
};

export type SpendingOptions = {
  /** US dollars that may be spent in all; absent = any. */
  maxCostUsd?: number | undefined;
  /** Price of every model, in US dollars per million tokens, instead of the published ones. */
  usdPerMillionTokens?: number | undefined;
};

/** Tokens in a byte of a body before any answer has told: the provider's own rule of thumb. */
const usualTokensPerByte = 1 / 4;

/**
 * Counts what is spent. A request is let through only while what was spent, what is in flight and
 * itself are within the limit. Once one was refused, all later ones are: a run that lost some of its
 * requests is of no more use, and small ones must not slip through.
 */
export function createSpending({ maxCostUsd, usdPerMillionTokens }: SpendingOptions): Spending {
  const unpriced = new Set<string>();
  let [usd, inFlightUsd, tokens, estimated, refused] = [0, 0, 0, 0, 0];
  let [answeredTokens, answeredBytes] = [0, 0];
  let exceeded = false;

  // Other scripts than Latin have more tokens in a byte than the rule says: the answers show it.
  const tokensPerByte = () =>
    answeredBytes > 0
      ? Math.max(usualTokensPerByte, answeredTokens / answeredBytes)
      : usualTokensPerByte;
  const priceOf = (model: string | undefined): number | undefined =>
    usdPerMillionTokens ??
    (model === undefined ? undefined : embeddingPrice(model)?.usdPerMillionTokens);
  let firstRefusal: string | undefined;
  const refuse = (refusal: string) => {
    refused++;
    firstRefusal ??= refusal;
    return { refusal };
  };

  return {
    refuse,
    reserve(model, bytes) {
      const price = priceOf(model);
      if (price === undefined) {
        if (maxCostUsd !== undefined)
          return refuse(
            `no price of the model "${model ?? 'that the body should name'}" is known, so --max-cost can't be kept`,
          );
        unpriced.add(model ?? 'unnamed');
      }
      const usdPerToken = (price ?? 0) / 1e6;
      const expected = Math.ceil(bytes * tokensPerByte());
      const expectedUsd = expected * usdPerToken;
      if (maxCostUsd !== undefined && usd + inFlightUsd + expectedUsd > maxCostUsd) exceeded = true;
      if (exceeded)
        return refuse(
          `--max-cost ${maxCostUsd} is reached: $${usd.toFixed(4)} are spent and $${inFlightUsd.toFixed(4)} under way; give more, or run fewer records`,
        );
      inFlightUsd += expectedUsd;
      let settled = false;
      return {
        settle(billed) {
          if (settled) return;
          settled = true;
          inFlightUsd -= expectedUsd;
          if (billed === 'none') return;
          const counted = billed === 'unknown' ? expected : billed;
          if (billed === 'unknown') estimated++;
          else {
            answeredTokens += billed;
            answeredBytes += bytes;
          }
          tokens += counted;
          usd += counted * usdPerToken;
        },
      };
    },
    view: () => ({
      usd,
      tokens,
      estimated,
      refused,
      ...(firstRefusal !== undefined && { refusal: firstRefusal }),
      exceeded,
      unpriced: [...unpriced],
    }),
  };
}
