import { execFile, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Mocks } from '../../mocks/server.ts';
import { completeLab } from '../model/lab.ts';
import { openMocks } from '../services/open-mocks.ts';
import { limiterSnippet } from './snippets.ts';

/** Six texts of 400 charged tokens a second for eight workers: without a limiter most are refused. */
const limits = { rpm: 3_000, tpm: 144_000 };
const lab = completeLab({
  openai: { tier: 'tier-1', limits, bucket: 'empty', latency: { fixed: 20 } },
  workload: { records: 1, chunksPerRecord: 1, bytesPerChunk: 400, batchSize: 1 },
});
const workers = 8;
const each = 3;

let mocks: Mocks;
let folder: string;
beforeAll(async () => {
  mocks = await openMocks(lab, 1, '127.0.0.1', { openai: 0, qdrant: 0, records: 0, admin: 0 });
  // Within the repository, so that the official client is found.
  const cache = join(import.meta.dirname, '../../.cache');
  mkdirSync(cache, { recursive: true });
  folder = mkdtempSync(join(cache, 'snippets-'));
});
afterAll(async () => {
  await mocks.close();
  rmSync(folder, { recursive: true, force: true });
});

// The mocks' bucket begins to fill with the first request of a key: it is asked once before the limiter.
const caller = (limiter: string, wait: string) => `
import OpenAI from 'openai';
const client = new OpenAI({ baseURL: '${mocks.openaiUrl}', apiKey: process.argv[2], maxRetries: 0 });
const ask = (input: string[]) =>
  client.embeddings
    .create({ model: 'text-embedding-3-small', input, dimensions: 8 })
    .then(() => 200, (error) => error.status);
await ask(['x']);
${limiter}
const seen: Record<string, number> = {};
await Promise.all(Array.from({ length: ${workers} }, async (_, worker) => {
  for (let at = 0; at < ${each}; at++) {
    const texts = [String(worker).padEnd(1_600, 'x')];
    ${wait}
    const status = await ask(texts);
    seen[status] = (seen[status] ?? 0) + 1;
  }
}));
console.log(JSON.stringify(seen));
`;

/** Runs a program and returns how many answers had which status. */
async function statuses(command: string, file: string, source: string, key: string) {
  const path = join(folder, file);
  writeFileSync(path, source);
  const { stdout } = await promisify(execFile)(command, [path, key]);
  return JSON.parse(stdout) as Record<string, number>;
}

test('without the limiter the same workers are refused', async () => {
  const source = caller('', '');
  const seen = await statuses(process.execPath, 'bare.ts', source, 'sk-kneepoint-lab-bare');
  expect(seen[429]).toBeGreaterThan(0);
});

test('TypeScript under Node with the official client: no 429', async () => {
  const source = caller(
    limiterSnippet('typescript', { ...limits, share: 1 }),
    'await mayEmbed(texts);',
  );
  const seen = await statuses(process.execPath, 'paced.ts', source, 'sk-kneepoint-lab-node');
  expect(seen).toEqual({ 200: workers * each });
});

const python = spawnSync('python3', ['--version']).status === 0;

test.skipIf(!python)('Python threads: no 429', async () => {
  const source = `
import json
import sys
import urllib.error
import urllib.request

seen = {}


def ask(texts):
    body = json.dumps({"model": "text-embedding-3-small", "input": texts, "dimensions": 8}).encode()
    headers = {"authorization": "Bearer " + sys.argv[1], "content-type": "application/json"}
    request = urllib.request.Request("${mocks.openaiUrl}/embeddings", body, headers)
    try:
        return urllib.request.urlopen(request).status
    except urllib.error.HTTPError as error:
        return error.code


ask(["x"])
${limiterSnippet('python', { ...limits, share: 1 })}


def work(worker):
    for _ in range(${each}):
        texts = [str(worker).ljust(1600, "x")]
        may_embed(texts)
        status = ask(texts)
        with _lock:
            seen[status] = seen.get(status, 0) + 1


threads = [threading.Thread(target=work, args=(worker,)) for worker in range(${workers})]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps(seen))
`;
  const seen = await statuses('python3', 'paced.py', source, 'sk-kneepoint-lab-python');
  expect(seen).toEqual({ 200: workers * each });
});

test('an absent limit is none, and the share is filled in', () => {
  expect(limiterSnippet('typescript', { tpm: 5, share: 0.9 })).toContain(
    'requests: Infinity, tokens: 5',
  );
  expect(limiterSnippet('python', { rpm: 7, share: 0.9 })).toContain('"tokens": float("inf")');
  expect(limiterSnippet('python', { rpm: 7, share: 0.9 })).toContain('SHARE = 0.9');
});
