/** Which limits, and which tier, rate-limit headers stand for. */
import type { Limits } from '../../model/limiter.ts';
import { type TierName, tierLadder, tiers } from '../../model/tiers.ts';
import type { Answer } from './headers.ts';

export type FoundLimits = {
  /** As published, or the nearest below where no tier has these limits. */
  tier: TierName;
  /** Whether the tier's published limits are exactly those found. */
  matches: boolean;
  /** Only what the tier doesn't say itself. */
  overrides: Limits;
  found: Limits;
  model: string | undefined;
  /** Answers that say so. */
  answers: number;
  /** When the last of them was given, where that is told. */
  latest: string | undefined;
  notes: string[];
};

const msOf: Record<string, number> = { h: 3.6e6, m: 60_000, s: 1_000, ms: 1 };

/** Milliseconds of `6m0s`, `2.812s`, `12ms`, as Go prints durations; whole numbers are Azure's seconds. */
export function durationMs(text: string): number | undefined {
  if (/^\d+$/.test(text)) return Number(text) * 1_000;
  if (!/^(\d+(\.\d+)?(ms|h|m|s))+$/.test(text)) return undefined;
  const parts = text.matchAll(/(\d+(?:\.\d+)?)(ms|h|m|s)/g);
  return [...parts].reduce((sum, [, count, unit]) => sum + Number(count) * msOf[unit!]!, 0);
}

const [minuteMs, dayMs] = [60_000, 86_400_000];

/** Whether a bucket that refills in a window explains how soon it is full again: `used / limit` of the window, cut to a millisecond. */
function explains(windowMs: number, limit: number, used: number, resetMs: number): boolean {
  const full = (used * windowMs) / limit;
  // `remaining` is cut to whole ones, so up to one more than it says may be left.
  return resetMs <= full + 1 && resetMs >= full - windowMs / limit - 1;
}

type Reading = Limits & { odd: string[]; windows: boolean };

/** Limits of one answer; undefined where it names none. */
function readingOf({ headers }: Answer): Reading | undefined {
  const number = (kind: string, what: string) => {
    const text = headers[`x-ratelimit-${kind}-${what}`];
    return text !== undefined && /^-?\d+$/.test(text) ? Number(text) : undefined;
  };
  const reading: Reading = { odd: [], windows: false };
  for (const name of ['requests', 'tokens'] as const) {
    const limit = number('limit', name);
    if (limit === undefined || limit <= 0) continue;
    const remaining = number('remaining', name);
    // A table of recorded headers may say what was charged instead of what remains.
    const charged = name === 'tokens' ? Number(headers['charged-tokens'] ?? Number.NaN) : 1;
    const used = remaining === undefined ? charged : limit - remaining;
    const resetMs = durationMs(headers[`x-ratelimit-reset-${name}`] ?? '');
    const told = resetMs !== undefined && Number.isFinite(used) && used > 0;
    const ofMinute = !told || explains(minuteMs, limit, used, resetMs);
    const ofDay = told && !ofMinute && explains(dayMs, limit, used, resetMs);
    reading.windows ||= told && ofMinute;
    if (ofDay && name === 'requests') reading.rpd = limit;
    else reading[name === 'requests' ? 'rpm' : 'tpm'] = limit;
    if (told && !ofMinute && !ofDay)
      reading.odd.push(`${name} full again in ${resetMs} ms with ${used} of ${limit} used`);
  }
  return (reading.rpm ?? reading.tpm ?? reading.rpd) ? reading : undefined;
}

/** Limit headers that say no limit, as they stand: `x-ratelimit-limit-tokens "abc"`. */
function unreadable(answers: Answer[]): string[] {
  const found = answers.flatMap(({ headers }) =>
    ['requests', 'tokens'].flatMap((what) => {
      const name = `x-ratelimit-limit-${what}`;
      const text = headers[name];
      return text === undefined || /^0*[1-9]\d*$/.test(text)
        ? []
        : [`${name} ${JSON.stringify(text.slice(0, 40))}`];
    }),
  );
  return [...new Set(found)];
}

/** A project's own limits, where it has some. */
function projectLimits({ headers }: Answer): Limits {
  const of = (what: string) => {
    const text = headers[`x-ratelimit-limit-project-${what}`];
    return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
  };
  const [rpm, tpm] = [of('requests'), of('tokens')];
  return { ...(rpm && { rpm }), ...(tpm && { tpm }) };
}

/** The published tier with these limits, or the highest whose per-minute limits are no higher. */
function tierOf({ rpm, tpm, rpd }: Limits): { tier: TierName; exact: boolean } {
  const same = tierLadder.filter((name) => {
    const { limits } = tiers[name];
    return (
      (rpm === undefined || limits.rpm === rpm) &&
      (tpm === undefined || limits.tpm === tpm) &&
      (rpd === undefined || limits.rpd === rpd)
    );
  });
  if (same.length === 1) return { tier: same[0]!, exact: true };
  const under = tierLadder.filter((name) => {
    const { limits } = tiers[name];
    return (limits.rpm ?? 0) <= (rpm ?? Infinity) && (limits.tpm ?? 0) <= (tpm ?? Infinity);
  });
  // The free tier has a limit per day that nobody measured here.
  const paid = (same.length > 0 ? same : under).filter((name) => name !== 'free' || rpd);
  return { tier: (same.length > 0 ? paid[0] : paid.at(-1)) ?? 'tier-1', exact: false };
}

const limitsText = ({ rpm, tpm, rpd }: Limits): string =>
  [
    rpm === undefined ? '' : `${rpm} requests a minute`,
    rpd === undefined ? '' : `${rpd} requests a day`,
    tpm === undefined ? '' : `${tpm} tokens a minute`,
  ]
    .filter((part) => part !== '')
    .join(', ');

/**
 * The limits of one model's answers. Later answers win over earlier ones where both are dated; where
 * answers contradict each other without dates, there is no telling.
 */
export function limitsIn(answers: Answer[], wanted: string): FoundLimits | { problem: string } {
  const telling = answers.filter((answer) => readingOf(answer) !== undefined);
  const noLimits = unreadable(answers);
  if (telling.length === 0 && noLimits.length > 0)
    return { problem: `${noLimits.join(' and ')}: a limit must be a whole number over 0` };
  if (telling.length === 0)
    return {
      problem: `none of ${answers.length} answers has x-ratelimit-limit-requests or -tokens (401, 404 and some 429 have none); save those of an embeddings call that succeeded, with curl -sD headers.txt`,
    };
  const models = [...new Set(telling.map(({ model }) => model))];
  const embedding = models.filter((model) => model === undefined || /embed/.test(model));
  const model = models.includes(wanted) ? wanted : embedding[0];
  if (embedding.length === 0)
    return {
      problem: `the answers are ${models.join(' and ')}'s, and limits differ by model; save those of an embeddings call`,
    };
  if (model !== wanted && embedding.length > 1)
    return {
      problem: `the answers are of ${embedding.map((name) => name ?? 'a model without name').join(', ')}; choose one with --model`,
    };
  const own = telling
    .filter((answer) => answer.model === model)
    .sort((a, b) => ((a.at ?? '') < (b.at ?? '') ? -1 : (a.at ?? '') > (b.at ?? '') ? 1 : 0));
  const key = (answer: Answer) => limitsText(readingOf(answer)!);
  const last = own.at(-1)!;
  const others = [...new Set(own.map(key))].filter((text) => text !== key(last));
  const dated = own.every(({ at }) => at !== undefined);
  const sameTime = own.some(({ at }, index) => at === last.at && key(own[index]!) !== key(last));
  if (others.length > 0 && (!dated || sameTime))
    return {
      problem: `the answers contradict each other (${[key(last), ...others].join('; ')}); give those of one account, or dated ones`,
    };
  const agreeing = own.filter((answer) => key(answer) === key(last));
  const { odd, windows, ...found } = readingOf(last)!;
  const notes = noLimits.map((header) => `${header} is no whole number over 0 and was left out`);
  if (others.length > 0) notes.push(`earlier answers said ${others.join('; ')}: the latest count`);
  const oddOnes = agreeing.flatMap((answer) => readingOf(answer)!.odd);
  if (oddOnes.length > 0)
    notes.push(
      `reset headers don't follow from a bucket of one minute (${oddOnes[0]}): check openai.burstSeconds`,
    );
  else if (windows)
    notes.push('reset headers agree with a bucket of one minute that refills evenly');
  if (agreeing.some(({ headers }) => headers['apim-request-id'] ?? headers['x-ms-region']))
    notes.push(
      'Azure judges requests in windows of 1 to 10 s: its limiter is not the one modelled',
    );
  const { tier, exact } = tierOf(found);
  const published = tiers[tier].limits;
  const project = agreeing.map(projectLimits).at(-1)!;
  const effective: Limits = { ...found };
  for (const name of ['rpm', 'tpm'] as const) {
    const lower = project[name];
    if (lower === undefined || lower >= (found[name] ?? Infinity)) continue;
    effective[name] = lower;
    notes.push(`the project has a lower limit of its own: ${limitsText({ [name]: lower })}`);
  }
  if (!exact)
    notes.push(
      `no single published tier is ${limitsText(found)}: ${tier} is the nearest, with these limits in its place`,
    );
  const overrides = Object.fromEntries(
    Object.entries(effective).filter(([name, value]) => published[name as 'rpm'] !== value),
  );
  return {
    tier,
    matches: exact,
    overrides,
    found: effective,
    model,
    answers: agreeing.length,
    latest: last.at,
    notes,
  };
}
