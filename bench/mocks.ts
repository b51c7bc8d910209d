/**
 * `node bench/mocks.ts`: embeddings (8 inputs, 64 dimensions, no latency) under 20 k6 users, in turns
 * with a bare `node:http` server that parses the same body and answers the same bytes; then upserts.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findK6 } from '../src/services/k6-binary.ts';
import { authorization, body as embeddingsBody } from './embeddings-request.ts';

const root = new URL('..', import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), 'kneepoint-bench-'));
const k6 = await findK6({ env: process.env, root, say: console.error });
const children: ChildProcess[] = [];

const labPath = join(folder, 'lab.yaml');
writeFileSync(labPath, 'openai: { latency: { fixed: 0 } }\nqdrant: { latency: { fixed: 0 } }\n');
const ready = join(folder, 'ready.json');
const ports = ['openai', 'qdrant', 'records', 'admin'].flatMap((name) => [`--${name}-port`, '0']);
const mockArgs = [
  join(root, 'src/cli.ts'),
  'mocks',
  '--lab',
  labPath,
  ...ports,
  '--ready-file',
  ready,
];
children.push(spawn(process.execPath, mockArgs, { stdio: 'ignore' }));
while (!existsSync(ready)) await sleep(50);
const urls = JSON.parse(readFileSync(ready, 'utf8')) as Record<
  'openai' | 'qdrant',
  { url: string }
>;
const embeddings = `${urls.openai.url}/embeddings`;

const answer = await fetch(embeddings, {
  method: 'POST',
  headers: { 'content-type': 'application/json', authorization },
  body: embeddingsBody,
});
const answerPath = join(folder, 'answer.json');
writeFileSync(answerPath, Buffer.from(await answer.arrayBuffer()));
const bare = spawn(process.execPath, [join(root, 'bench/bare-server.ts'), answerPath]);
children.push(bare);
const address = await new Promise<string>((resolve) =>
  bare.stdout.once('data', (text: Buffer) => resolve(text.toString())),
);
const bareUrl = `http://127.0.0.1:${(JSON.parse(address) as { port: number }).port}/`;

const load = (target: string) => {
  const script = join(root, 'bench/embeddings-load.ts');
  const text = execFileSync(k6.path, ['run', '--quiet', '-e', `TARGET=${target}`, script], {
    env: { ...process.env, K6_NO_USAGE_REPORT: 'true', K6_AUTO_EXTENSION_RESOLUTION: 'false' },
  }).toString();
  return JSON.parse(text) as { rate: number; med: number; p99: number };
};
const ratios: number[] = [];
for (let turn = 1; turn <= 3; turn++) {
  const [mock, floor] = [load(embeddings), load(bareUrl)];
  ratios.push(mock.rate / floor.rate);
  console.log(
    `embeddings, turn ${turn}: mock ${mock.rate.toFixed(0)}/s (p99 ${mock.p99.toFixed(1)} ms), ` +
      `bare ${floor.rate.toFixed(0)}/s (p99 ${floor.p99.toFixed(1)} ms), ratio ${(mock.rate / floor.rate).toFixed(2)}`,
  );
}
console.log(`embeddings: median ratio ${ratios.sort((a, b) => a - b)[1]!.toFixed(2)}`);

const headers = { 'content-type': 'application/json', 'api-key': 'kneepoint-lab-bench' };
for (const [dimensions, points] of [
  [64, 64],
  [1_536, 64],
] as const) {
  const collection = `${urls.qdrant.url}/collections/bench${dimensions}`;
  const body = JSON.stringify({ vectors: { size: dimensions, distance: 'Cosine' } });
  await fetch(collection, { method: 'PUT', headers, body });
  const bodies = Array.from({ length: 4 }, (_, batch) =>
    JSON.stringify({
      points: Array.from({ length: points }, (_, index) => ({
        id: batch * points + index + 1,
        vector: Array.from({ length: dimensions }, (_, at) => Math.sin(batch + index * at)),
      })),
    }),
  );
  const until = performance.now() + 4_000;
  const began = performance.now();
  let stored = 0;
  const client = async (from: number) => {
    for (let turn = from; performance.now() < until; turn++) {
      const upsert = await fetch(`${collection}/points?wait=true`, {
        method: 'PUT',
        headers,
        body: bodies[turn % 4]!,
      });
      await upsert.text();
      if (upsert.ok) stored += points;
    }
  };
  await Promise.all([0, 1, 2, 3].map(client));
  const rate = (stored * 1_000) / (performance.now() - began);
  console.log(`upserts of ${points} × ${dimensions}: ${rate.toFixed(0)} points/s`);
}
for (const child of children) child.kill();
