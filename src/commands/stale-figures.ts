import { plans } from '../model/plans.ts';
import { embeddingPrice, planPrices, tierPrices } from '../model/prices.ts';
import { type Origin, tiers } from '../model/tiers.ts';
import { UsageError } from '../usage-error.ts';

/** A figure that was read so long ago that it may have changed. */
export type StaleFigure = {
  name: string;
  asOf: string;
  /** Days from the earliest day that the date can mean: of a year only, its first. */
  days: number;
  source: string;
};

/** Days after which providers have been seen to change their figures. */
export const staleAfterDays = 180;

/** Embedding models with a published price. */
export const pricedModels = [
  'text-embedding-3-small',
  'text-embedding-3-large',
  'text-embedding-ada-002',
];

const figures = (): [name: string, origin: Origin][] => [
  ...Object.entries(tiers).map(([name, { origin }]): [string, Origin] => [
    `OpenAI ${name}: limits`,
    origin,
  ]),
  ...Object.entries(tierPrices).map(([name, { origin }]): [string, Origin] => [
    `OpenAI ${name}: what it asks for`,
    origin,
  ]),
  ...pricedModels.flatMap((model): [string, Origin][] => {
    const price = embeddingPrice(model);
    return price ? [[`${model}: price`, price.origin]] : [];
  }),
  ...Object.entries(plans).map(([name, { origin }]): [string, Origin] => [
    `Qdrant ${name}: what it bears`,
    origin,
  ]),
  ...Object.entries(planPrices).map(([name, { origin }]): [string, Origin] => [
    `Qdrant ${name}: price`,
    origin,
  ]),
];

/** `2026-10-05`, `2026-10` or `2026` as the earliest day it can mean, in days. */
const dayOf = (date: string): number => {
  const [year, month = '01', day = '01'] = date.split('-');
  return Date.parse(`${year}-${month}-${day}T00:00:00Z`) / 86_400_000;
};

/** The day that `--as-of` gives. Throws a UsageError where it is none. */
export function asOfDay(text: string): string {
  const isDay = /^\d{4}-\d{2}-\d{2}$/.test(text) && Number.isFinite(dayOf(text));
  // 2026-02-30 is read as a day of March.
  if (!isDay || new Date(dayOf(text) * 86_400_000).toISOString().slice(0, 10) !== text)
    throw new UsageError(`--as-of: must be a day such as 2026-11-24, got "${text}"`);
  return text;
}

/** Figures older than 180 days on a day, oldest first. */
export function staleFigures(asOf: string): StaleFigure[] {
  const today = dayOf(asOf);
  return figures()
    .map(([name, { asOf: read, source }]) => ({
      name,
      asOf: read,
      days: today - dayOf(read),
      source,
    }))
    .filter(({ days }) => days > staleAfterDays)
    .sort((a, b) => b.days - a.days);
}
