import { vectorOf } from '../../mocks/openai/vectors.ts';
import type { Mocks } from '../../mocks/server.ts';
import { completeLab, type Lab } from '../../src/model/lab.ts';
import { openMocks } from '../../src/services/open-mocks.ts';
import { type Gate, openGate, type Reply } from './gate.ts';

export const model = 'text-embedding-3-small';
export const dimensions = 256;
const batchSize = 30;

/** 120 chunks of 400 bytes, each a text of its own. */
export const chunks = Array.from({ length: 120 }, (_, at) =>
  `chunk ${at} is about one thing and no other. `.repeat(20).slice(0, 400),
);
export const batches = Array.from({ length: chunks.length / batchSize }, (_, at) => ({
  first: at * batchSize,
  texts: chunks.slice(at * batchSize, (at + 1) * batchSize),
}));
export const vectorFor = (text: string) => Array.from(vectorOf(text, dimensions));

/** Enough for everything: what is refused here is refused by script. */
const roomy = completeLab({
  openai: { tier: 'tier-5', latency: { fixed: 20 }, rejectionMs: 5 },
  qdrant: { plan: 'unlimited', latency: { fixed: 5 } },
});

/** Starts without a token: each batch of 3,000 is refused, and fits 180 ms later, as the hint says. */
export const scarce = completeLab({
  openai: {
    tier: 'tier-1',
    bucket: { tpm: 'empty' },
    retryAfter: 'ms',
    latency: { fixed: 20 },
    rejectionMs: 5,
  },
  qdrant: { plan: 'unlimited', latency: { fixed: 5 } },
});

/** Both mocks, each behind a gate: every key `lab-<name>` has a state of its own. */
export type Bench = {
  mocks: Mocks;
  openai: Gate;
  qdrant: Gate;
  openaiKey: (name: string, lab?: Lab) => string;
  qdrantKey: (name: string) => string;
  close: () => Promise<void>;
};

export async function openBench(): Promise<Bench> {
  const mocks = await openMocks(roomy, 1, '127.0.0.1', {
    openai: 0,
    qdrant: 0,
    records: 0,
    admin: 0,
  });
  const openai = await openGate(new URL(mocks.openaiUrl).origin, (_, path) =>
    path.startsWith('/v1/embeddings'),
  );
  const upserts = (method: string, path: string) =>
    method === 'PUT' && /^\/collections\/[^/]+\/points\b/.test(path);
  const qdrant = await openGate(mocks.qdrantUrl, upserts);
  return {
    mocks,
    openai,
    qdrant,
    openaiKey(name, lab) {
      if (lab) mocks.runs.register(name, lab, 1);
      return `sk-kneepoint-lab-${name}`;
    },
    qdrantKey: (name) => `kneepoint-lab-${name}`,
    async close() {
      await Promise.all([openai.close(), qdrant.close()]);
      await mocks.close();
    },
  };
}

/** A 429 of Qdrant's write limiter, in its words. */
export const writeLimited = (retryAfter?: number): Reply => ({
  status: 429,
  ...(retryAfter === undefined ? {} : { headers: { 'retry-after': String(retryAfter) } }),
  body: {
    status: {
      error: `Rate limiting exceeded: Write rate limit exceeded: Operation requires 30 tokens but only 0.0 were available. Retry after ${retryAfter}s`,
    },
    time: 0.0002,
  },
});
