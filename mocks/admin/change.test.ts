import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Got, type TestMocks, testMocks } from './test-mocks.ts';

let on: TestMocks;
beforeAll(async () => {
  on = await testMocks(
    { openai: { latency: { fixed: 1 } }, qdrant: { latency: { fixed: 1 } } },
    100,
  );
});
afterAll(() => on.mocks.close());

const patch = (name: string, body: unknown) => on.admin('PATCH', `/profiles/${name}`, body);
const bucketOf = (json: Got['json'], limit: string) =>
  json.openai.models[0].buckets.find(({ name }: { name: string }) => name === limit);

describe('an upgrade in mid-run', () => {
  test('lifts the limit and keeps what was used', async () => {
    const name = 'tier-1-upgrade';
    const slow = await patch(name, { openai: { limits: { rpm: 2 } } });
    expect(slow.status).toBe(200);
    expect(slow.json.openai.settings.limits).toEqual({ rpm: 2, tpm: 1_000_000 });
    const before = [];
    for (let left = 3; left > 0; left--)
      before.push((await on.embed(`sk-kneepoint-${name}`)).status);
    expect(before).toEqual([200, 200, 429]);

    const upgraded = await patch(name, { openai: { tier: 'tier-3' } });
    expect(upgraded.json.openai.settings.tier).toBe('tier-3');
    expect(upgraded.json.openai.settings.limits).toEqual({ rpm: 5_000, tpm: 5_000_000 });
    expect(bucketOf(upgraded.json, 'rpm')).toMatchObject({ limit: 5_000, used: 2 });
    expect((await on.embed(`sk-kneepoint-${name}`)).status).toBe(200);
  });

  test('with limits of its own takes these', async () => {
    const { json } = await patch('tier-1-own', { openai: { tier: 'free', limits: { rpm: 7 } } });
    expect(json.openai.settings.limits).toEqual({ rpm: 7, rpd: 2_000, tpm: 40_000 });
  });

  test('of a plan drops what was set for the earlier one', async () => {
    const name = 'free-plan';
    const slow = await patch(name, { qdrant: { latency: { fixed: 9 }, slots: 1, timeoutMs: 77 } });
    expect(slow.json.qdrant.settings).toMatchObject({ latency: { fixed: 9 }, slots: 1 });
    const { json } = await patch(name, { qdrant: { plan: 'standard-4' } });
    expect(json.qdrant.settings).toMatchObject({
      plan: 'standard-4',
      slots: 4,
      pointsPerSecond: 8_000,
      timeoutMs: 77,
    });
    expect(json.qdrant.settings.latency).toEqual({ p50: 110, p95: 150, p99: 210 });
  });

  test('of a lab is seen by both services', async () => {
    const { json } = await patch('lab-both', {
      openai: { retryAfter: 'none' },
      qdrant: { slots: 3 },
    });
    expect([json.openai.settings.retryAfter, json.qdrant.settings.slots]).toEqual(['none', 3]);
  });
});

describe('faults', () => {
  const fault = { on: 'embeddings', kind: 'truncated-json' };
  const isBroken = async (key: string) => !(await on.embed(key)).text.endsWith('}');

  // The answer is cut: no JSON. `got` would throw, so its text is asked for raw.
  const text = async (key: string) => {
    const answer = await fetch(`${on.mocks.openaiUrl}/embeddings`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'text-embedding-3-small', input: 'a', dimensions: 2 }),
    });
    return answer.text();
  };

  test('vanish after their seconds, and come again when set again', async () => {
    const [name, key] = ['tier-5-faulty', 'sk-kneepoint-tier-5-faulty'];
    for (let round = 0; round < 2; round++) {
      // 50 virtual seconds are half a real one.
      const set = await patch(name, { faults: [fault], expiresAfterSeconds: 50 });
      expect(set.json.openai.faults).toMatchObject([{ kind: 'truncated-json', untilSeconds: 50 }]);
      expect(await text(key)).not.toMatch(/\}$/);
      await sleep(600);
      expect(await text(key)).toMatch(/\}$/);
      expect((await on.admin('GET', `/profiles/${name}`)).json.openai.faults).toEqual([]);
    }
  });

  test('stay while other settings change, and go with an empty list', async () => {
    const [name, key] = ['tier-5-first', 'sk-kneepoint-tier-5-first'];
    await patch(name, { faults: [{ ...fault, first: 2 }] });
    expect(await text(key)).not.toMatch(/\}$/);
    await patch(name, { openai: { rejectionMs: 1 } });
    expect(await text(key)).not.toMatch(/\}$/);
    expect(await isBroken(key)).toBe(false);
    await patch(name, { faults: [fault] });
    expect((await patch(name, { faults: [] })).json.openai.faults).toEqual([]);
    expect(await isBroken(key)).toBe(false);
  });
});

describe('a change that makes no sense', () => {
  test.each([
    [{ workload: {} }, 'workload:'],
    [{ seed: 1 }, 'seed:'],
    [{ openai: { teir: 'free' } }, 'openai.teir:'],
    [{ openai: { tier: 'tier-9' } }, 'openai.tier:'],
    [{ openai: { limits: { rpm: 0 } } }, 'openai.limits.rpm:'],
    [{ openai: 'fast' }, 'openai:'],
    [{ qdrant: {} }, 'qdrant:'],
    [{ faults: [{ on: 'upsert', kind: 'reset' }] }, 'faults.0.on:'],
    [{ faults: 'all' }, 'faults:'],
    [{ expiresAfterSeconds: 5 }, 'expiresAfterSeconds:'],
    [{ faults: [], expiresAfterSeconds: 0 }, 'expiresAfterSeconds:'],
    [[], 'the body:'],
    [undefined, 'the body:'],
  ])('%j is a 400 that names %s', async (body, field) => {
    const before = await patch('tier-2-bad', {});
    const { status, json } = await patch('tier-2-bad', body);
    expect([status, json.error]).toEqual([400, expect.stringContaining(field)]);
    const after = await on.admin('GET', '/profiles/tier-2-bad');
    expect(after.json.openai.settings).toEqual(before.json.openai.settings);
  });

  test('is a 404 where no tier, plan or lab has the name', async () => {
    expect((await patch('bogus', {})).status).toBe(404);
    expect((await on.admin('GET', '/profiles/tier-4-never')).status).toBe(404);
  });
});

test('one profile is reset alone, on both services', async () => {
  await patch('free-a', { openai: {}, qdrant: {} });
  await patch('tier-1-stays', {});
  expect((await on.admin('GET', '/profiles/free-a')).json).toMatchObject({
    openai: { settings: { tier: 'free' } },
    qdrant: { settings: { plan: 'free' } },
  });
  expect((await on.admin('POST', '/profiles/free-a/reset')).status).toBe(200);
  expect((await on.admin('GET', '/profiles/free-a')).status).toBe(404);
  expect((await on.admin('POST', '/profiles/free-a/reset')).status).toBe(404);
  expect((await on.admin('GET', '/profiles/tier-1-stays')).status).toBe(200);
});

test('a change of one service does not begin the other', async () => {
  expect((await patch('free-one', { qdrant: { slots: 1 } })).json.openai).toBe(null);
  expect((await patch('free-two', { openai: { limits: { rpm: 1 } } })).json.qdrant).toBe(null);
  const both = await patch('free-three', {});
  expect([both.json.openai, both.json.qdrant]).not.toContain(null);
});
