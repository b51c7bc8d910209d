/** What a run against real services sends and costs, told before anything is sent. */
import type { Lab } from '../../model/lab.ts';
import { embeddingPrice } from '../../model/prices.ts';
import type { Origin } from '../../model/tiers.ts';
import { createWorkload } from '../../model/workload.ts';
import { grouped } from '../wording.ts';

export type Cost = {
  usd: number;
  /** Where the price comes from. */
  origin: Origin;
};

/** What so many billed tokens of a model cost; undefined where no price of the model is known. */
export function costOf({ tokens, model }: { tokens: number; model: string }): Cost | undefined {
  const price = embeddingPrice(model);
  if (!price) return undefined;
  return { usd: (tokens * price.usdPerMillionTokens) / 1e6, origin: price.origin };
}

/** What is sent in the end when every request succeeds at once. */
export type Sent = {
  records: number;
  /** Embeddings requests; as many upserts follow. */
  requests: number;
  /** By the lab's bytes / 4. */
  tokens: number;
  points: number;
  /** Absent where no price of the model is known. */
  usd?: number;
};

export type Estimate = {
  model: string;
  cells: (Sent & { workers: number })[];
  total: Sent;
  /** US dollars per million tokens with its source; absent where none is known. */
  price?: { usdPerMillionTokens: number; origin: Origin };
};

/**
 * What a command that does the lab's work sends for the whole matrix. Each worker count does all of
 * it. Retries are not included: how many there are is what the run is to find out.
 */
export function estimate(lab: Lab): Estimate {
  const { workload, openai, workers } = lab;
  const plan = createWorkload(workload);
  // Only the last claim can be shorter than the others.
  const batchesOf = (index: number) => plan.batches(plan.claim(index));
  const requests = (plan.claims - 1) * batchesOf(0) + batchesOf(plan.claims - 1);
  const points = workload.records * workload.chunksPerRecord;
  const tokens = Math.floor((points * workload.bytesPerChunk) / 4);
  const cost = costOf({ tokens, model: openai.model });
  const one: Sent = {
    records: workload.records,
    requests,
    tokens,
    points,
    ...(cost && { usd: cost.usd }),
  };
  const runs = workers.length;
  const price = embeddingPrice(openai.model);
  return {
    model: openai.model,
    cells: workers.map((count) => ({ workers: count, ...one })),
    total: {
      records: one.records * runs,
      requests: requests * runs,
      tokens: tokens * runs,
      points: points * runs,
      ...(cost && { usd: cost.usd * runs }),
    },
    ...(price && { price }),
  };
}

/** Dollars with as many digits as it takes to see an amount under a cent. */
export const usdText = (usd: number): string => {
  const digits = usd > 0 && usd < 0.01 ? Math.min(20, -Math.floor(Math.log10(usd))) : 2;
  return `$${usd.toFixed(digits)}`;
};

const plural = (value: number, noun: string): string =>
  `${grouped(value)} ${noun}${value === 1 ? '' : 's'}`;

/** A limit with a quarter to spare, for texts that are longer than the lab says; in whole cents. */
const suggestedUsd = (usd: number): string =>
  Math.max(0.01, Math.ceil(usd * 125 - 1e-9) / 100).toFixed(2);

/** Addresses as they may be shown: without keys. */
export type Hosts = { openai: string; qdrant: string };

/**
 * The estimate in plain lines for a terminal, none longer than it must be. `hosts` must hold no keys. Whoever
 * has agreed already is not told how to.
 */
export function describeEstimate(
  { model, cells, total, price }: Estimate,
  hosts: Hosts,
  hasAgreed = false,
): string[] {
  const counts = cells.map(({ workers }) => workers).join(', ');
  const each = cells[0]!;
  const cost =
    total.usd === undefined || !price
      ? `Estimated cost: unknown; no price of the model "${model}" is known here.`
      : `Estimated cost: ${usdText(total.usd)}, at $${price.usdPerMillionTokens} per million tokens of ${model} (${price.origin.grade}, ${price.origin.asOf}: ${price.origin.source}).`;
  const limit = total.usd === undefined ? 'N' : suggestedUsd(total.usd);
  return [
    `Your command will send real requests with its own keys: embeddings to ${hosts.openai}, points to ${hosts.qdrant}.`,
    `${plural(each.records, 'record')} × ${plural(cells.length, 'worker count')} (${counts}): ${plural(total.requests, 'embeddings request')}, about ${plural(total.tokens, 'token')} and ${plural(total.points, 'point')}, as the lab says; your texts may be longer or shorter.`,
    cost,
    'Retries are not included. All of it counts against the rate limits of your account, and so slows down whatever else uses it.',
    'The points go into your own collection, written by your own command: Kneepoint creates and deletes none. Give it one that you can throw away.',
    ...(hasAgreed
      ? []
      : [
          `To go on, add --yes --max-cost ${limit}: at that many US dollars, further embeddings requests are refused.`,
        ]),
  ];
}
