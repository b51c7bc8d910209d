import { expect, test } from 'vitest';
import { blotter, tellableAnswer, tellableRequest } from './without-keys.ts';

const key = 'sk-proj-0123456789abcdef';
const headers = {
  authorization: `Bearer ${key}`,
  'api-key': 'qdrant-0123456789',
  cookie: 'session=0123456789',
  'x-some-gateway-key': 'gw-0123456789',
  'openai-organization': 'org-1',
  'content-type': 'application/json',
  'x-stainless-retry-count': '1',
  'x-kneepoint-record': '7',
};

test('only headers that statistics need are told', () => {
  expect(tellableRequest(headers)).toEqual({
    'content-type': 'application/json',
    'x-stainless-retry-count': '1',
    'x-kneepoint-record': '7',
  });
  expect(
    tellableAnswer({
      'set-cookie': ['__cf_bm=secret'],
      'openai-organization': 'org-1',
      'x-ratelimit-limit-tokens': '1000000',
      'retry-after-ms': '12',
    }),
  ).toEqual({ 'x-ratelimit-limit-tokens': '1000000', 'retry-after-ms': '12' });
});

test('a key is blotted out of path, query and body, wherever a client put it', () => {
  const { path, bytes, text } = blotter(headers);
  expect(path(`/v1/${key}/embeddings`)).toBe('/v1/[redacted]/embeddings');
  expect(path('/points?wait=true&token=abc&timeout=5&flag')).toBe(
    '/points?wait=true&token=[redacted]&timeout=5&flag',
  );
  expect(path('/points')).toBe('/points');
  expect(bytes(Buffer.from(`{"key":"${key}"}`)).toString()).toBe('{"key":"[redacted]"}');
  expect(text('no qdrant-0123456789 here')).toBe('no [redacted] here');
});

test('a body without a key is not copied', () => {
  const body = Buffer.from('{"input":"text"}');
  expect(blotter(headers).bytes(body)).toBe(body);
});
