/**
 * `node bench/pass-through.ts`: what the pass-through adds to the times that it measures. 20 k6 users
 * embed against the mocks, in turns with and without it: at 100 ms a request, as of a real service, and
 * as fast as they can. Then one client at a time upserts 64 points of 1,536 dimensions, 2 MB.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findK6 } from '../src/services/k6-binary.ts';

const root = new URL('..', import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), 'kneepoint-bench-'));
const k6 = await findK6({ env: process.env, root, say: console.error });
const children: ChildProcess[] = [];
const middle = (values: number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;

type Urls = { openai: string; qdrant: string };

/** The mocks, and a pass-through in front of them, each in a process of its own. */
async function servers(latencyMs: number): Promise<{ direct: Urls; through: Urls }> {
  const labPath = join(folder, `lab-${latencyMs}.yaml`);
  const ready = join(folder, `ready-${latencyMs}.json`);
  writeFileSync(
    labPath,
    `openai: { latency: { fixed: ${latencyMs} } }\nqdrant: { latency: { fixed: 0 } }\n`,
  );
  const ports = ['openai', 'qdrant', 'records', 'admin'].flatMap((name) => [`--${name}-port`, '0']);
  const mocks = [join(root, 'src/cli.ts'), 'mocks', '--lab', labPath, '--ready-file', ready];
  children.push(spawn(process.execPath, [...mocks, ...ports], { stdio: 'ignore' }));
  while (!existsSync(ready)) await sleep(50);
  const urls = JSON.parse(readFileSync(ready, 'utf8')) as Record<keyof Urls, { url: string }>;
  const direct = { openai: urls.openai.url, qdrant: urls.qdrant.url };
  const options = `{ openaiUrl: '${direct.openai}', qdrantUrl: '${direct.qdrant}', sink() {}, maxCostUsd: 1e6 }`;
  const script = `
    const { startPassThrough } = await import('${root}src/services/pass-through/pass-through.ts');
    const { openaiUrl, qdrantUrl } = await startPassThrough(${options});
    console.log(JSON.stringify({ openai: openaiUrl, qdrant: qdrantUrl }));`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script]);
  children.push(child);
  const printed = await new Promise<Buffer>((resolve) => child.stdout.once('data', resolve));
  return { direct, through: JSON.parse(printed.toString()) as Urls };
}

const load = (target: string) => {
  const script = join(root, 'bench/embeddings-load.ts');
  const text = execFileSync(k6.path, ['run', '--quiet', '-e', `TARGET=${target}`, script], {
    env: { ...process.env, K6_NO_USAGE_REPORT: 'true', K6_AUTO_EXTENSION_RESOLUTION: 'false' },
  }).toString();
  return JSON.parse(text) as { rate: number; med: number; p99: number };
};

try {
  for (const latencyMs of [100, 0]) {
    const { direct, through } = await servers(latencyMs);
    const turns = Array.from({ length: 3 }, () => ({
      direct: load(`${direct.openai}/embeddings`),
      through: load(`${through.openai}/embeddings`),
    }));
    for (const [name, of] of [
      ['requests a second', (one: ReturnType<typeof load>) => one.rate],
      ['median, ms', (one: ReturnType<typeof load>) => one.med],
      ['p99, ms', (one: ReturnType<typeof load>) => one.p99],
    ] as const) {
      const [without, passed] = [
        middle(turns.map((turn) => of(turn.direct))),
        middle(turns.map((turn) => of(turn.through))),
      ];
      const ratio = middle(turns.map((turn) => of(turn.through) / of(turn.direct)));
      console.log(
        `embeddings at ${latencyMs} ms, ${name}: ${without.toFixed(1)} without, ${passed.toFixed(1)} with, ratio ${ratio.toFixed(2)}`,
      );
    }
    if (latencyMs === 0) await upserts(direct.qdrant, through.qdrant);
  }
} finally {
  for (const child of children) child.kill();
}

/** In turns, so that both meet the same moments of the machine. */
async function upserts(direct: string, through: string): Promise<void> {
  const headers = { 'content-type': 'application/json', 'api-key': 'kneepoint-lab-bench' };
  const send = async (url: string, body: string): Promise<number> => {
    const began = performance.now();
    const answer = await fetch(url, { method: 'PUT', headers, body });
    await answer.text();
    if (!answer.ok) throw new Error(`${url} answers ${answer.status}`);
    return performance.now() - began;
  };
  const vectors = { vectors: { size: 1_536, distance: 'Cosine' } };
  await send(`${direct}/collections/bench`, JSON.stringify(vectors));
  const points = Array.from({ length: 64 }, (_, id) => ({
    id,
    vector: Array.from({ length: 1_536 }, (_, at) => Math.sin(id * at + 1)),
  }));
  const body = JSON.stringify({ points });
  const path = '/collections/bench/points?wait=true';
  const times = { direct: [] as number[], through: [] as number[] };
  for (let turn = 0; turn < 120; turn++) {
    const [one, other] = [await send(direct + path, body), await send(through + path, body)];
    // The first ones warm up.
    if (turn < 20) continue;
    times.direct.push(one);
    times.through.push(other);
  }
  const [without, passed] = [middle(times.direct), middle(times.through)];
  console.log(
    `upserts of 2 MB, median ms: ${without.toFixed(1)} without, ${passed.toFixed(1)} with, ratio ${(passed / without).toFixed(2)}`,
  );
}
