import { Agent, request } from 'node:http';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Endpoint } from '../../mocks/endpoint.ts';
import { openaiService } from '../../mocks/openai/service.ts';
import { qdrantService } from '../../mocks/qdrant/service.ts';
import type { Mocks } from '../../mocks/server.ts';
import { completeLab } from '../../src/model/lab.ts';
import { openMocks } from '../../src/services/open-mocks.ts';
import { type Malformed, malformedRequests } from './malformed.ts';

let mocks: Mocks;
const agent = new Agent({ keepAlive: true, maxSockets: 32 });

beforeAll(async () => {
  const ports = { openai: 0, qdrant: 0, records: 0, admin: 0 };
  const lab = completeLab({
    openai: { latency: { fixed: 0 }, usage: 'exact' },
    qdrant: { latency: { fixed: 0 } },
  });
  mocks = await openMocks(lab, 1, '127.0.0.1', ports);
});
afterAll(async () => {
  agent.destroy();
  await mocks.close();
});

type Answered = { status: number; type: string; text: string };

const send = (origin: string, { method, path, headers, body }: Malformed) =>
  new Promise<Answered>((resolve, reject) => {
    const { hostname, port } = new URL(origin);
    const sent = { ...headers, 'content-length': String(Buffer.byteLength(body)) };
    // Without URL parsing of Node's: the path goes out as it is.
    const asked = request({ hostname, port, method, path, headers: sent, agent }, (answer) => {
      const parts: Buffer[] = [];
      answer.on('data', (part: Buffer) => parts.push(part));
      answer.on('end', () =>
        resolve({
          status: answer.statusCode!,
          type: String(answer.headers['content-type'] ?? ''),
          text: Buffer.concat(parts).toString(),
        }),
      );
      answer.on('error', reject);
    });
    asked.on('error', reject);
    asked.end(body);
  });

/** Why an answer is none that the provider documents; undefined where it is one. */
function openaiFault({ status, text }: Answered): string | undefined {
  if (![200, 400, 401, 404, 405, 413, 415, 429].includes(status)) return `status ${status}`;
  const body = JSON.parse(text) as { error?: Record<string, unknown>; object?: string };
  if (status === 200) return typeof body.object === 'string' ? undefined : 'no object';
  const keys = Object.keys(body.error ?? {}).join();
  return keys === 'message,type,param,code' ? undefined : `keys ${keys}`;
}

function qdrantFault({ status, type, text }: Answered): string | undefined {
  if (![200, 400, 401, 403, 404, 405, 409, 413, 422, 429].includes(status))
    return `status ${status}`;
  if (status === 401) return type.startsWith('text/plain') ? undefined : `type ${type}`;
  if (status === 404 && text === '') return undefined;
  if (!type.startsWith('application/json')) return status === 200 ? undefined : `type ${type}`;
  const body = JSON.parse(text) as { status?: unknown; result?: unknown; title?: string };
  if (status === 200) return body.title || body.status === 'ok' ? undefined : 'no ok';
  const error = (body.status as { error?: unknown } | undefined)?.error;
  return typeof error === 'string' && !('result' in body) ? undefined : 'no error';
}

const collect = () => {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
};

const heldMb = async (): Promise<number> => {
  mocks.runs.reset();
  // Twice, with a pause: finalizers and buffers of closed requests need a turn.
  for (let turn = 0; turn < 3; turn++) {
    collect();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const { heapUsed, external } = process.memoryUsage();
  return (heapUsed + external) / 2 ** 20;
};

const perService = Number(process.env.KNEEPOINT_FUZZ ?? 100_000) / 2;

async function attack(
  service: 'openai' | 'qdrant',
  origin: string,
  endpoints: Endpoint[],
  faultOf: (answered: Answered) => string | undefined,
) {
  const faults: string[] = [];
  const statuses = new Map<number, number>();
  const batch = 5_000;
  for (let from = 0; from < perService; from += batch) {
    const queue = malformedRequests(
      service,
      endpoints,
      Math.min(batch, perService - from),
      from + 1,
    );
    const worker = async () => {
      for (let next = queue.pop(); next; next = queue.pop()) {
        const answered = await send(origin, next).catch((error: Error) => error);
        const fault =
          answered instanceof Error
            ? answered.message
            : ((): string | undefined => {
                statuses.set(answered.status, (statuses.get(answered.status) ?? 0) + 1);
                try {
                  return faultOf(answered);
                } catch (error) {
                  return (error as Error).message;
                }
              })();
        if (fault && faults.length < 20) {
          const said = answered instanceof Error ? '' : answered.text.slice(0, 200);
          const sent = Buffer.from(next.body).toString().slice(0, 200);
          faults.push(`${fault}: ${next.method} ${next.path.slice(0, 100)} ${sent} -> ${said}`);
        }
      }
    };
    await Promise.all(Array.from({ length: 32 }, worker));
  }
  return { faults, statuses };
}

const origins = () => ({ openai: new URL(mocks.openaiUrl).origin, qdrant: mocks.qdrantUrl });
const nobody = () => undefined;

test(`${perService * 2} damaged requests get documented answers only, and leave no memory behind`, async () => {
  const openaiRoutes = openaiService(nobody).endpoints;
  const qdrantRoutes = qdrantService(nobody).endpoints;
  // Once around, so that caches and compiled code are there before memory is compared.
  for (const [at, endpoints] of [openaiRoutes, qdrantRoutes].entries())
    for (const asked of malformedRequests(at ? 'qdrant' : 'openai', endpoints, 3_000, 99))
      await send(at ? origins().qdrant : origins().openai, asked).catch(() => {});
  const before = await heldMb();
  const openai = await attack('openai', origins().openai, openaiRoutes, openaiFault);
  const qdrant = await attack('qdrant', origins().qdrant, qdrantRoutes, qdrantFault);
  const grownMb = (await heldMb()) - before;
  console.log(
    `fuzz: openai ${JSON.stringify([...openai.statuses])}, qdrant ${JSON.stringify([...qdrant.statuses])}, ${grownMb.toFixed(1)} MiB more`,
  );
  expect(openai.faults).toEqual([]);
  expect(qdrant.faults).toEqual([]);
  // Both routes of success and of failure were taken, or the generator has gone blind.
  for (const { statuses } of [openai, qdrant])
    for (const status of [200, 400, 401, 404]) expect(statuses.get(status)).toBeGreaterThan(100);
  // The cache of vectors and tokens is bounded at 64 MiB each and may fill up.
  expect(grownMb).toBeLessThan(160);
});
