import { expect, test } from 'vitest';
import { kindOf, modelIn, pointsIn } from './kinds.ts';

test.each([
  ['openai', 'POST', '/v1/embeddings', 'embeddings'],
  ['openai', 'POST', '/openai/deployments/small/embeddings?api-version=1', 'embeddings'],
  ['openai', 'GET', '/v1/embeddings', 'other'],
  ['openai', 'POST', '/v1/chat/completions', 'other'],
  ['qdrant', 'PUT', '/collections/docs/points?wait=true', 'upsert'],
  ['qdrant', 'PUT', '/prefix/collections/docs/points/', 'upsert'],
  ['qdrant', 'PUT', '/collections/docs', 'other'],
  ['qdrant', 'PUT', '/collections/docs/points/payload', 'other'],
  ['qdrant', 'POST', '/collections/docs/points', 'read'],
  ['qdrant', 'POST', '/collections/docs/points/scroll', 'read'],
  ['qdrant', 'POST', '/collections/docs/points/query/batch', 'read'],
  ['qdrant', 'GET', '/collections/docs/points/7', 'read'],
  ['qdrant', 'POST', '/collections/docs/points/delete', 'other'],
  ['qdrant', 'GET', '/', 'other'],
] as const)('%s %s %s is %s', (service, method, url, kind) => {
  expect(kindOf(service, method, url)).toBe(kind);
});

const bytes = (value: unknown) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));

test('points are counted in either form of an upsert, and in one with fields that no scan knows', () => {
  const points = [1, 2, 3].map((id) => ({ id, vector: [id, 0.5], payload: { points: [1, 2] } }));
  expect(pointsIn(bytes({ points }))).toBe(3);
  expect(pointsIn(bytes({ points, update_mode: 'insert_only' }))).toBe(3);
  expect(pointsIn(bytes({ batch: { ids: [1, 2], vectors: [[1], [2]] } }))).toBe(2);
  expect(pointsIn(bytes({ batch: { ids: [1, 2], vectors: { text: [[1], [2]] } } }))).toBe(2);
  for (const none of ['', 'null', '{"points":', { points: 7 }])
    expect(pointsIn(bytes(none))).toBeUndefined();
});

test('the model is found wherever it stands, and not in a text that only looks like it', () => {
  const model = 'text-embedding-3-large';
  const input = ['{"model": "text-embedding-3-small"}', '"model":"x"', 'the model: "y"'];
  expect(modelIn(bytes({ model, input }))).toBe(model);
  expect(modelIn(bytes({ input, model }))).toBe(model);
  expect(modelIn(bytes(JSON.stringify({ input, model }, null, 2)))).toBe(model);
  expect(modelIn(bytes({ input }))).toBeUndefined();
  expect(modelIn(bytes(''))).toBeUndefined();
});
