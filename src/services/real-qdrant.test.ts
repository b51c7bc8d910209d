import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Mocks } from '../../mocks/server.ts';
import { completeLab } from '../model/lab.ts';
import { openMocks } from './open-mocks.ts';
import { findRealQdrant } from './real-qdrant.ts';

let mocks: Mocks;
beforeAll(async () => {
  const ports = { openai: 0, qdrant: 0, records: 0, admin: 0 };
  mocks = await openMocks(completeLab({}), 1, '127.0.0.1', ports);
});
afterAll(() => mocks.close());

const key = { QDRANT_API_KEY: 'kneepoint-lab' };

test('is found by flag, or by QDRANT_URL where the flag has no address', async () => {
  const found = { url: mocks.qdrantUrl, apiKey: 'kneepoint-lab', version: '1.19.0' };
  expect(await findRealQdrant(`${mocks.qdrantUrl}/`, key)).toEqual(found);
  expect(await findRealQdrant(true, { ...key, QDRANT_URL: mocks.qdrantUrl })).toEqual(found);
});

test.each([
  ['no address', true, {}, /give the address, or set QDRANT_URL/],
  ['what is none', 'qdrant:6333', {}, /"qdrant:6333" is no address such as/],
  ['nobody there', 'http://127.0.0.1:1', {}, /nothing answers at http:\/\/127\.0\.0\.1:1 \(/],
] as const)('%s is one clear line', async (_, flag, env, message) => {
  await expect(findRealQdrant(flag, env)).rejects.toThrow(message);
});

test('a key that is missing or wrong is said, and not shown', async () => {
  for (const env of [{}, { QDRANT_API_KEY: 'secret-key' }]) {
    const error = await findRealQdrant(mocks.qdrantUrl, env).catch((reason: Error) => reason);
    expect(String(error)).toMatch(/answers 401; set QDRANT_API_KEY/);
    expect(String(error)).not.toContain('secret-key');
  }
});
