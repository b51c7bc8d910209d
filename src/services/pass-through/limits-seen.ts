import type { IncomingHttpHeaders } from 'node:http';

/** What a service said of its limits. Requests and tokens are per minute, but that the free tier tells of a day's requests. */
export type LimitsSeen = { requests?: number; tokens?: number; projectTokens?: number };

const headerNames: Record<keyof LimitsSeen, string> = {
  requests: 'x-ratelimit-limit-requests',
  tokens: 'x-ratelimit-limit-tokens',
  projectTokens: 'x-ratelimit-limit-project-tokens',
};

/** Remembers the limits that a model's answers name: they tell the account's real tier. */
export function createLimitsSeen(): {
  add: (model: string, headers: IncomingHttpHeaders) => void;
  view: () => Record<string, LimitsSeen>;
} {
  const byModel = new Map<string, LimitsSeen>();
  return {
    add(model, headers) {
      const seen: LimitsSeen = {};
      for (const [name, header] of Object.entries(headerNames) as [keyof LimitsSeen, string][]) {
        const value = Number(headers[header] ?? Number.NaN);
        if (Number.isFinite(value)) seen[name] = value;
      }
      // A 401 or a 404 has none: they are no reason to forget.
      if (Object.keys(seen).length > 0) byModel.set(model, seen);
    },
    view: () => Object.fromEntries(byModel),
  };
}
