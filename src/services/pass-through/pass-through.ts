import { Agent, createServer, type Server } from 'node:http';
import { Agent as SecureAgent } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { About, Answer } from '../../../mocks/endpoint.ts';
import type { Gone, ServiceName, Sighting, Sink } from '../../../mocks/observed.ts';
import { serverLimits } from '../../../mocks/server-limits.ts';
import { UsageError } from '../../usage-error.ts';
import { type Ended, exchange } from './exchange.ts';
import { pointsIn } from './kinds.ts';
import { createLimitsSeen, type LimitsSeen } from './limits-seen.ts';
import { hintMsOf, limitIn } from './refusal.ts';
import { createSpending, type SpendingOptions, type SpendingView } from './spending.ts';
import { readUpstream, refuseOwn, type Upstream } from './upstream.ts';
import { blotter, tellableAnswer, tellableRequest } from './without-keys.ts';

export type PassThroughOptions = SpendingOptions & {
  /** As OPENAI_BASE_URL has it, with the path that its routes begin with. */
  openaiUrl: string;
  /** As QDRANT_URL has it; port 6333 where none is written, as the official clients take it. */
  qdrantUrl: string;
  /** Told of each request when it is over. `delayMs` of the answer is the time to its last byte; no key is in it. */
  sink: Sink;
  /** Told after `sink` of an answer that its client did not wait for. */
  gone?: Gone;
  /** An environment whose HTTPS_PROXY, HTTP_PROXY and NO_PROXY hold for the way to the services; none where absent. */
  proxyEnv?: NodeJS.ProcessEnv;
  /** Ports to listen on; any free ones where absent. */
  ports?: { openai: number; qdrant: number };
};

/** A running pass-through. */
export type PassThrough = {
  /** What the command gets as OPENAI_BASE_URL and QDRANT_URL: http, on 127.0.0.1. */
  openaiUrl: string;
  qdrantUrl: string;
  /** The real services, as a user may be shown them: scheme, host and port. */
  hosts: { openai: string; qdrant: string };
  /** Requests that arrive from now on belong to this run (`about.run`). */
  begin: (run: string) => void;
  /** Resolves when no request is under way and all are told. */
  settled: () => Promise<void>;
  spending: () => SpendingView;
  /** By model, the limits that answers named last. */
  limits: () => Record<string, LimitsSeen>;
  close: () => Promise<void>;
};

// Qdrant closes idle connections after 5 s: one that is about to go must not be used again.
const idleSocketMs = 4_000;

/** Listens on 127.0.0.1 only. Throws UsageError where the port can't be had. */
async function listen(server: Server, service: ServiceName, port: number): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(new UsageError(`${service}: cannot listen on 127.0.0.1:${port} (${error.code})`)),
    );
    server.listen(port, '127.0.0.1', resolve);
  });
  return (server.address() as AddressInfo).port;
}

/** The request as statistics take it, without any key. `run` is where it belongs. */
function sightingOf(ended: Ended, service: ServiceName, run: string): Sighting {
  const { request, answer: real, status, kind, broken, body, arrivedMs, endedMs } = ended;
  const { method = 'GET', url = '/', headers } = request;
  const blot = blotter(headers);
  const about: About = { run, kind };
  if (broken !== undefined) about.fault = broken;
  if (ended.refusedBy !== undefined) about.refusedBy = ended.refusedBy;
  else if (real && status === 429) about.refusedBy = limitIn(ended.error);
  if (real && status >= 400) {
    const hintMs = hintMsOf(real.headers, status === 429 ? ended.error : '', Date.now());
    if (hintMs !== undefined) about.hintMs = hintMs;
  }
  if (kind === 'upsert' && status < 400 && broken === undefined) {
    const points = pointsIn(body);
    if (points !== undefined) about.points = points;
  }
  const answer: Answer = {
    status,
    headers: real ? tellableAnswer(real.headers) : {},
    // A refused key stands in its refusal, half of it masked.
    body: status === 401 || status === 403 ? '' : blot.text(ended.error).slice(0, 2_048),
    delayMs: endedMs - arrivedMs,
    about,
  };
  return {
    service,
    method,
    path: blot.path(url),
    headers: tellableRequest(headers),
    bytes: blot.bytes(body),
    answer,
    nowMs: arrivedMs,
    ownMs: ended.ownMs,
  };
}

/**
 * Starts two servers on 127.0.0.1 that hand requests on to the real services and answers back, as they
 * are, and measure them. They hold no keys: a request brings its own. Throws UsageError where an
 * address is none, has credentials in it, or is the pass-through itself.
 */
export async function startPassThrough(options: PassThroughOptions): Promise<PassThrough> {
  const { sink, gone, proxyEnv, ports = { openai: 0, qdrant: 0 }, maxCostUsd } = options;
  const upstreams: Record<ServiceName, Upstream> = {
    openai: readUpstream('openai', options.openaiUrl),
    qdrant: readUpstream('qdrant', options.qdrantUrl),
  };
  const spending = createSpending(options);
  const limits = createLimitsSeen();
  const underWay = new Set<Promise<void>>();
  const closers: (() => Promise<void>)[] = [];
  let run = 'real';

  const serve = async (service: ServiceName): Promise<number> => {
    const upstream = upstreams[service];
    const agentOptions = { keepAlive: true, timeout: idleSocketMs, ...(proxyEnv && { proxyEnv }) };
    const agent = upstream.secure ? new SecureAgent(agentOptions) : new Agent(agentOptions);
    const server = createServer(
      {
        // How long anything may take is for client and service to say.
        requestTimeout: 0,
        headersTimeout: serverLimits.headersTimeout,
        keepAliveTimeout: serverLimits.keepAliveTimeout,
      },
      (request, response) => {
        const runOfRequest = run;
        let told = () => {};
        const telling = new Promise<void>((resolve) => {
          told = resolve;
        });
        underWay.add(telling);
        const tell = (ended: Ended, tokens?: number): void => {
          const sighting = sightingOf(ended, service, runOfRequest);
          if (tokens !== undefined) sighting.answer.about!.tokens = tokens;
          sink(sighting);
          if (ended.broken === 'abandoned') gone?.(sighting.answer, ended.endedMs);
          underWay.delete(telling);
          told();
        };
        const end = (ended: Ended): void => {
          if (ended.answer && ended.model !== undefined)
            limits.add(ended.model, ended.answer.headers);
          // Refusals are told at once: their retries must not be told before them.
          if (ended.tokens) ended.tokens.then((tokens) => tell(ended, tokens));
          else tell(ended);
        };
        exchange(request, response, {
          upstream,
          agent,
          spending,
          guarded: maxCostUsd !== undefined,
          end,
        });
      },
    );
    closers.push(async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
      agent.destroy();
    });
    return listen(server, service, ports[service]);
  };
  const close = async (): Promise<void> => {
    await Promise.all(closers.map((stop) => stop()));
  };

  try {
    const own = { openai: await serve('openai'), qdrant: await serve('qdrant') };
    const { openai, qdrant } = upstreams;
    for (const upstream of [openai, qdrant]) refuseOwn(upstream, [own.openai, own.qdrant]);
    return {
      openaiUrl: `http://127.0.0.1:${own.openai}${openai.prefix}`,
      qdrantUrl: `http://127.0.0.1:${own.qdrant}${qdrant.prefix}`,
      hosts: { openai: openai.origin, qdrant: qdrant.origin },
      begin(name) {
        run = name;
      },
      async settled() {
        while (underWay.size > 0) await Promise.all(underWay);
      },
      spending: spending.view,
      limits: limits.view,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
