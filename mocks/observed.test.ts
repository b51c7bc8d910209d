import { expect, test } from 'vitest';
import { type Answer, BadJson, type MockRequest, type Service } from './endpoint.ts';
import { observed, type Sighting } from './observed.ts';

const answer: Answer = { status: 200, body: 'fine' };
const service: Service = {
  endpoints: [
    { method: 'POST', path: '/fine', answer: () => answer },
    {
      method: 'POST',
      path: '/broken',
      answer: () => {
        throw new BadJson('no JSON');
      },
    },
  ],
  bodyLimitBytes: 1,
  notFound: () => ({ status: 404, body: '' }),
  badJson: (message) => ({ status: 400, body: message }),
  tooLarge: () => ({ status: 413, body: '' }),
};
const request: MockRequest = {
  method: 'POST',
  url: '/fine?a=b',
  headers: { a: 'b' },
  params: {},
  query: {},
  bytes: new Uint8Array([1]),
};

test('answers as before and tells of each request', () => {
  const seen: Sighting[] = [];
  const watched = observed(
    service,
    'qdrant',
    (sighting) => seen.push(sighting),
    () => {},
  );
  expect(watched.endpoints[0]!.answer(request, 7)).toBe(answer);
  expect(watched.endpoints[1]!.answer(request, 8)).toEqual({ status: 400, body: 'no JSON' });
  expect(watched.notFound('GET', '/bogus')).toEqual({ status: 404, body: '' });
  expect(seen).toMatchObject([
    { service: 'qdrant', path: '/fine?a=b', headers: { a: 'b' }, nowMs: 7, answer },
    { nowMs: 8, answer: { status: 400 } },
    { method: 'GET', path: '/bogus', answer: { status: 404 } },
  ]);
  expect(seen[0]!.ownMs).toBeGreaterThanOrEqual(0);
});
