import { expect, test } from 'vitest';
import { completeLab } from '../../src/model/lab.ts';
import { createRuns } from '../runs.ts';
import { createRequestIds } from './headers.ts';
import { modelList, modelOf } from './models.ts';
import { openaiService } from './service.ts';

const start = () => {
  const runs = createRuns(completeLab({ openai: { tier: 'tier-1' } }), 1);
  const service = openaiService((key) => runs.openai(key));
  const embed = (model: string, key = 'lab') =>
    service.endpoints[0]!.answer(
      {
        method: 'POST',
        url: '/v1/embeddings',
        headers: { authorization: `Bearer ${key}` },
        params: {},
        query: {},
        bytes: Buffer.from(JSON.stringify({ model, input: 'hello world', dimensions: undefined })),
      },
      1_000,
    );
  return { embed };
};

test('are listed, and each is told by its id', () => {
  const { data, object } = JSON.parse(modelList().body);
  expect(object).toBe('list');
  expect(data).toHaveLength(3);
  for (const model of data) {
    expect(model).toEqual({
      id: expect.stringMatching(/^text-embedding-/),
      object: 'model',
      created: expect.any(Number),
      owned_by: expect.any(String),
    });
    expect(JSON.parse(modelOf(model.id).body)).toEqual(model);
  }
});

test('that are not there are told so', () => {
  const { status, body } = modelOf('x');
  expect(status).toBe(404);
  expect(JSON.parse(body)).toEqual({
    error: {
      message: "The model 'x' does not exist",
      type: 'invalid_request_error',
      param: 'model',
      code: 'model_not_found',
    },
  });
});

test('do not share their buckets', () => {
  const { embed } = start();
  const left = (model: string) => embed(model).headers?.['x-ratelimit-remaining-requests'];
  expect(left('text-embedding-3-small')).toBe('2999');
  expect(left('text-embedding-3-small')).toBe('2998');
  expect(left('text-embedding-3-large')).toBe('2999');
  expect(left('text-embedding-ada-002')).toBe('2999');
});

test('answer by their names, ada by that of its version', () => {
  const { embed } = start();
  const named = (model: string) => {
    const { body, headers } = embed(model);
    return [JSON.parse(body).model, headers?.['openai-model']];
  };
  const version = 'text-embedding-ada-002-v2';
  expect(named('text-embedding-ada-002')).toEqual([version, version]);
  expect(named('text-embedding-3-large')).toEqual(Array(2).fill('text-embedding-3-large'));
});

test('answer with the recorded headers and what the answer was about', () => {
  const { headers, about } = start().embed('text-embedding-3-small');
  expect(headers).toEqual({
    'access-control-allow-origin': '*',
    'access-control-expose-headers': 'X-Request-ID',
    'openai-model': 'text-embedding-3-small',
    'openai-organization': 'kneepoint',
    'openai-processing-ms': '380',
    'openai-project': expect.stringMatching(/^proj_/),
    'openai-version': '2020-10-01',
    'strict-transport-security': 'max-age=31536000; includeSubDomains; preload',
    'x-content-type-options': 'nosniff',
    'x-ratelimit-limit-requests': '3000',
    'x-ratelimit-limit-tokens': '1000000',
    'x-ratelimit-remaining-requests': '2999',
    'x-ratelimit-remaining-tokens': '999998',
    'x-ratelimit-reset-requests': '20ms',
    'x-ratelimit-reset-tokens': '0s',
    'x-request-id': expect.stringMatching(/^req_[0-9a-f]{32}$/),
  });
  expect(about).toEqual({ run: 'lab', kind: 'embeddings', tokens: 2 });
});

test('request ids never repeat within a run, and are the same when it is repeated', () => {
  const take = (name: string, seed: number) => {
    const next = createRequestIds(name, seed);
    return Array.from({ length: 10_000 }, next);
  };
  const ids = take('lab', 1);
  expect(new Set(ids).size).toBe(10_000);
  expect(take('lab', 1)).toEqual(ids);
  expect(new Set([...ids, ...take('lab-x', 1), ...take('lab', 2)]).size).toBe(30_000);
});
