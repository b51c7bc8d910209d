import { type ChildProcess, execSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';

/** The mocks in a process of their own, and clients that mean harm beside one that does not. */
let server: ChildProcess;
let ready: { openai: { url: string }; qdrant: { url: string } };
const folder = mkdtempSync(join(tmpdir(), 'kneepoint-'));
const sockets: Socket[] = [];

beforeAll(async () => {
  const file = join(folder, 'ready.json');
  const ports = ['openai', 'qdrant', 'records', 'admin'].flatMap((name) => [`--${name}-port`, '0']);
  server = spawn(
    process.execPath,
    ['src/cli.ts', 'mocks', '--lab', 'linear', ...ports, '--ready-file', file],
    { stdio: 'ignore' },
  );
  for (let tries = 0; tries < 300; tries++) {
    try {
      ready = JSON.parse(readFileSync(file, 'utf8'));
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
  throw new Error('the mocks did not start');
});
afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  server.kill();
  await new Promise((resolve) => server.once('exit', resolve));
  rmSync(folder, { recursive: true });
});

const address = (url: string) => ({ host: new URL(url).hostname, port: Number(new URL(url).port) });

const open = (url: string) =>
  new Promise<Socket>((resolve, reject) => {
    const socket = connect(address(url), () => resolve(socket));
    socket.on('error', reject);
    sockets.push(socket);
  });

const embed = (input: string[] = ['hello'], dimensions = 8) =>
  fetch(`${ready.openai.url}/embeddings`, {
    method: 'POST',
    headers: { authorization: 'Bearer sk-kneepoint-unlimited-good' },
    body: JSON.stringify({ model: 'text-embedding-3-small', input, dimensions }),
  });

/** Median milliseconds of an ordinary client's requests, the lab's own 380 ms among them. */
async function politeMs(): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < 3; round++)
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        const began = performance.now();
        const answer = await embed();
        expect(answer.status).toBe(200);
        await answer.arrayBuffer();
        times.push(performance.now() - began);
      }),
    );
  return times.sort((a, b) => a - b)[times.length >> 1]!;
}

let calmMs = 0;
beforeEach(async () => {
  calmMs = await politeMs();
});

/** An ordinary client is at most half as slow again as just before: wide, because the machine is shared. */
const expectCalm = async () => expect((await politeMs()) / calmMs).toBeLessThan(1.5);

/** Connections that this machine lets a process have, some kept back for all else. */
const mostSockets = Number(execSync('ulimit -n', { encoding: 'utf8' }).trim()) - 500;
const idleSockets = Math.min(10_000, mostSockets || 10_000);
if (idleSockets < 10_000)
  console.warn(`only ${idleSockets} of 10,000 idle connections: raise \`ulimit -n\``);

describe('an ordinary client keeps its latency beside', () => {
  test('2,000 requests whose headers never end', async () => {
    const slow = await Promise.all(Array.from({ length: 2_000 }, () => open(ready.openai.url)));
    for (const socket of slow) socket.write('POST /v1/embeddings HTTP/1.1\r\nhost: x\r\nx-slow: ');
    const drip = setInterval(() => {
      for (const socket of slow) if (socket.writable) socket.write('a');
    }, 500);
    await expectCalm();
    clearInterval(drip);
    for (const socket of slow) socket.destroy();
  });

  test(`${idleSockets} idle connections`, async () => {
    const idle: Socket[] = [];
    for (let at = 0; at < idleSockets; at += 500)
      idle.push(
        ...(await Promise.all(
          Array.from({ length: Math.min(500, idleSockets - at) }, () => open(ready.qdrant.url)),
        )),
      );
    expect(idle).toHaveLength(idleSockets);
    await expectCalm();
    const answer = await fetch(`${ready.qdrant.url}/healthz`);
    expect(answer.status).toBe(200);
    for (const socket of idle) socket.destroy();
  });

  test('bodies that are too large, declared or not', async () => {
    const declared = await Promise.all(Array.from({ length: 50 }, () => open(ready.qdrant.url)));
    const answers = declared.map(
      (socket) =>
        new Promise<string>((resolve) => socket.once('data', (data) => resolve(data.toString()))),
    );
    for (const socket of declared)
      socket.write(
        'PUT /collections/docs/points HTTP/1.1\r\nhost: x\r\napi-key: kneepoint-unlimited-good\r\ncontent-length: 99999999999\r\n\r\n',
      );
    for (const text of await Promise.all(answers)) {
      expect(text).toMatch(/^HTTP\/1\.1 400 /);
      expect(text).toContain(
        'JSON payload (99999999999 bytes) is larger than allowed (limit: 33554432 bytes).',
      );
    }
    await expectCalm();
  });

  test('clients that ask for much and never read', async () => {
    const body = JSON.stringify({
      model: 'text-embedding-3-large',
      input: Array.from({ length: 200 }, (_, at) => `text ${at}`),
      encoding_format: 'float',
    });
    const greedy = await Promise.all(Array.from({ length: 20 }, () => open(ready.openai.url)));
    for (const socket of greedy) {
      socket.pause();
      socket.write(
        `POST /v1/embeddings HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk-kneepoint-unlimited-greedy\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    await expectCalm();
    for (const socket of greedy) socket.destroy();
  });
});

test('the process has lived through all of it', async () => {
  expect(server.exitCode).toBeNull();
  expect((await embed()).status).toBe(200);
});
