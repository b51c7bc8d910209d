/** `kneepoint/msw`: the mocks as handlers of MSW, for unit tests without a port. */
import type { HttpHandler } from 'msw/http';
import { checkLab } from '../src/lab-file.ts';
import type { Lab } from '../src/model/lab.ts';
import type { LabFile } from '../src/model/lab-schema.ts';
import type { PlanName } from '../src/model/plans.ts';
import type { TierName } from '../src/model/tiers.ts';
import { runAt } from './deadline.ts';
import type { Service } from './endpoint.ts';
import { type Clock, intercept } from './msw-door.ts';
import { isKnownPath } from './msw-route.ts';
import { openaiService } from './openai/service.ts';
import { qdrantService } from './qdrant/service.ts';
import { createRuns, type Run } from './runs.ts';

type Options = {
  /** Limits, latency and faults as in a lab file; what it leaves out has the lab's defaults. */
  lab?: LabFile;
  /** Only these keys are let in, all others get the provider's 401. Any key where left out. */
  keys?: string[];
  /** What the client is given as its base URL. Without one, the service's paths on any host are answered. */
  baseUrl?: string;
  /** Real time where left out. */
  clock?: Clock;
  /** `lab`: answers take as long as the lab says. `none`, the default: they come at once. */
  latency?: 'none' | 'lab';
  /** Virtual seconds per second of the clock; 1 where left out. */
  speed?: number;
};

export type OpenaiOptions = Options & {
  /** Usage tier; its limits hold for all keys together, as for one organisation. */
  tier?: TierName;
};

export type QdrantOptions = Options & {
  /** Plan of Qdrant Cloud. */
  plan?: PlanName;
};

/** Handlers to spread into `setupServer(...)`, and what they remember. */
export type Handlers = HttpHandler[] & {
  /** Full buckets, an empty queue and no points, as after the call that made the handlers. */
  reset: () => void;
};

/** A clock that stands still until a test moves it. */
export type ManualClock = Required<Clock> & {
  /** Moves the time on, and lets go of the answers that are due by then, the earliest first. */
  advance: (ms: number) => void;
  /** Resolves once so many answers (1) wait for this clock. */
  waiting: (count?: number) => Promise<void>;
};

const realClock: Clock = {
  nowMs: () => performance.now(),
  sleep: (ms) => new Promise((resolve) => runAt(performance.now() + ms, resolve)),
};

export function manualClock(): ManualClock {
  let now = 0;
  let asleep: { untilMs: number; wake: () => void }[] = [];
  let watchers: { count: number; tell: () => void }[] = [];
  const tellWatchers = () => {
    const enough = ({ count }: { count: number }) => asleep.length >= count;
    for (const { tell } of watchers.filter(enough)) tell();
    watchers = watchers.filter((watcher) => !enough(watcher));
  };
  return {
    nowMs: () => now,
    sleep: (ms) =>
      new Promise((wake) => {
        asleep.push({ untilMs: now + ms, wake });
        tellWatchers();
      }),
    advance(ms) {
      if (!(ms >= 0)) throw new RangeError(`advance: give milliseconds of 0 or more, got ${ms}`);
      now += ms;
      const due = asleep.filter(({ untilMs }) => untilMs <= now);
      asleep = asleep.filter(({ untilMs }) => untilMs > now);
      for (const { wake } of due.sort((a, b) => a.untilMs - b.untilMs)) wake();
    },
    waiting: (count = 1) =>
      new Promise((tell) => {
        watchers.push({ count, tell });
        tellWatchers();
      }),
  };
}

type PathOf = (service: Service, url: URL, headers: Headers) => string | undefined;

/** The handlers of one service with state of its own. */
function handlersOf(
  lab: Lab,
  options: Options,
  serviceOf: (runOf: (key: string) => Run | undefined) => Service,
  pathOf: PathOf,
): Handlers {
  const { keys, clock = realClock, latency = 'none', speed = 1 } = options;
  if (!(speed > 0 && speed < Infinity))
    throw new RangeError(`speed: give a number over 0, got ${speed}`);
  const start = () => {
    const runs = createRuns(lab, speed);
    return serviceOf((key) => (keys && !keys.includes(key) ? undefined : runs.openai('lab')));
  };
  let service = start();
  const handler = intercept({
    service: () => service,
    pathOf: (url, headers) => pathOf(service, url, headers),
    clock,
    waits: latency === 'lab',
  });
  return Object.assign([handler], {
    reset() {
      service = start();
    },
  });
}

/** What follows the base in the URL's path; undefined where the URL lies elsewhere. */
function below(baseUrl: string | undefined): (url: URL) => string | undefined {
  const base = new URL(baseUrl ?? 'http://unused');
  const prefix = base.pathname.replace(/\/+$/, '');
  return ({ origin, pathname }) =>
    origin === base.origin && (pathname === prefix || pathname.startsWith(`${prefix}/`))
      ? pathname.slice(prefix.length)
      : undefined;
}

/**
 * OpenAI's embeddings API as handlers of MSW. Without `baseUrl` its paths are answered on any host,
 * and its 404 is given for the rest of `https://api.openai.com/v1/`.
 */
export function openai(options: OpenaiOptions = {}): Handlers {
  const { tier, lab = {}, baseUrl } = options;
  const ownTier = tier === undefined ? {} : { tier };
  const complete = checkLab({ ...lab, openai: { ...lab.openai, ...ownTier } }, 'openai()');
  const belowBase = below(baseUrl);
  return handlersOf(complete, options, openaiService, ({ endpoints }, url) => {
    if (baseUrl !== undefined) {
      const path = belowBase(url);
      return path === undefined ? undefined : `/v1${path}`;
    }
    const path = /\/v1(?:\/.*)?$/.exec(url.pathname)?.[0];
    if (path === undefined) return undefined;
    return url.hostname === 'api.openai.com' || isKnownPath(endpoints, path) ? path : undefined;
  });
}

/**
 * Qdrant's REST API as handlers of MSW. Without `baseUrl` everything below `/collections` is answered
 * on any host, and the other paths for Qdrant's own client, which asks for the version first.
 */
export function qdrant(options: QdrantOptions = {}): Handlers {
  const { plan, lab = {}, baseUrl } = options;
  const ownPlan = plan === undefined ? {} : { plan };
  const complete = checkLab({ ...lab, qdrant: { ...lab.qdrant, ...ownPlan } }, 'qdrant()');
  const belowBase = below(baseUrl);
  return handlersOf(complete, options, qdrantService, ({ endpoints }, url, headers) => {
    if (baseUrl !== undefined) return belowBase(url)?.replace(/^$/, '/');
    const path = /\/collections(?:\/.*)?$/.exec(url.pathname)?.[0];
    if (path !== undefined) return path;
    const isClient = headers.get('user-agent')?.startsWith('qdrant-js/');
    return isClient && isKnownPath(endpoints, url.pathname) ? url.pathname : undefined;
  });
}
