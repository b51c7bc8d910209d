import { Agent, request } from 'node:http';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Mocks } from '../../mocks/server.ts';
import { completeLab } from '../../src/model/lab.ts';
import { openMocks } from '../../src/services/open-mocks.ts';

/**
 * A minute of real time over HTTP: what the mock admits against a bucket that this test computes by
 * itself, in floating point, from the instants at which it sent.
 */
let mocks: Mocks;
const agent = new Agent({ keepAlive: true, maxSockets: 512 });
const seconds = 60;
const bytesPerRequest = 4_000;

beforeAll(async () => {
  const ports = { openai: 0, qdrant: 0, records: 0, admin: 0 };
  const lab = completeLab({ openai: { latency: { fixed: 0 }, rejectionMs: 0, usage: 'estimate' } });
  mocks = await openMocks(lab, 1, '127.0.0.1', ports);
});
afterAll(async () => {
  agent.destroy();
  await mocks.close();
});

/** Gives a key its limits. */
async function profile(id: string, limits: { rpm?: number; tpm?: number }): Promise<string> {
  const lab = {
    openai: {
      limits,
      bucket: 'empty',
      rejectionCost: 'none',
      rejectionMs: 0,
      latency: { fixed: 0 },
    },
    workload: { batchSize: 1 },
  };
  const answer = await fetch(`${mocks.recordsUrl}/profiles/${id}`, {
    method: 'PUT',
    body: JSON.stringify({ lab, speed: 1 }),
  });
  expect(await answer.text()).toBe(JSON.stringify({ profile: `lab-${id}` }));
  return `sk-kneepoint-lab-${id}`;
}

const body = JSON.stringify({
  model: 'text-embedding-3-small',
  input: 'x'.repeat(bytesPerRequest),
  dimensions: 1,
});

const embed = (key: string) =>
  new Promise<number>((resolve, reject) => {
    const url = `${mocks.openaiUrl}/embeddings`;
    const headers = { authorization: `Bearer ${key}`, 'content-length': String(body.length) };
    const asked = request(url, { method: 'POST', headers, agent }, (answer) => {
      answer.resume();
      answer.on('end', () => resolve(answer.statusCode!));
    });
    asked.on('error', reject);
    asked.end(body);
  });

/** Sends at a steady rate for a minute and counts what came through, and what a bucket would let through. */
async function press(key: string, perMinute: number, cost: number, load: number) {
  const perMs = perMinute / 60_000;
  const gapMs = cost / perMs / load;
  let [level, atMs, expected, admitted, sent] = [perMinute, 0, 0, 0, 0];
  const beganMs = performance.now();
  const running: Promise<void>[] = [];
  for (let dueMs = 0; dueMs < seconds * 1_000; dueMs += gapMs) {
    const waitMs = beganMs + dueMs - performance.now();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    const nowMs = performance.now() - beganMs;
    level = Math.max(0, level - (nowMs - atMs) * perMs);
    atMs = nowMs;
    if (level + cost <= perMinute) {
      level += cost;
      expected++;
    }
    sent++;
    running.push(
      embed(key).then((status) => {
        if (status === 200) admitted++;
        else expect(status).toBe(429);
      }),
    );
  }
  await Promise.all(running);
  return { admitted, expected, sent };
}

const loads = [0.5, 1.5, 5];
const rpm = 3_000;
const tpm = 3_000_000;

test('admits within 0.5 % of the arithmetic bucket at 0.5, 1.5 and 5 times the limit', async () => {
  const rows = await Promise.all(
    loads.flatMap((load) => [
      profile(`rpm-${load * 10}`, { rpm }).then(async (key) => ({
        ...(await press(key, rpm, 1, load)),
        name: `RPM × ${load}`,
      })),
      profile(`tpm-${load * 10}`, { tpm }).then(async (key) => ({
        ...(await press(key, tpm, bytesPerRequest / 4, load)),
        name: `TPM × ${load}`,
      })),
    ]),
  );
  for (const { name, admitted, expected, sent } of rows)
    console.log(
      `${name}: sent ${sent}, admitted ${admitted}, bucket ${expected} (${(100 * (admitted / expected - 1)).toFixed(2)} %)`,
    );
  for (const { name, admitted, expected, sent } of rows) {
    expect(sent, name).toBeGreaterThan(1_000);
    expect(Math.abs(admitted / expected - 1), name).toBeLessThanOrEqual(0.005);
  }
});
