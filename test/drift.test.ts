import { execFile } from 'node:child_process';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { differences } from '../drift/differences.ts';
import { clientShapes, problemsIn } from '../drift/schemas.ts';

describe('differences', () => {
  test('are none between answers of the same shape', () => {
    expect(differences({ a: [1, 2], b: { c: 'x' } }, { a: [9], b: { c: 'y' } })).toEqual([]);
  });

  test('are listed by field', () => {
    const mock = { id: 1, gone: true, list: [{ a: 1 }], same: null };
    const real = { id: '1', list: [{ a: 1, b: 2 }], same: null };
    expect(differences(mock, real)).toEqual([
      'id: number instead of string',
      'list[].b: the mock has none (number)',
      'gone: only the mock has it',
    ]);
  });
});

test('the shapes that the clients declare tell right from wrong', () => {
  const shapeOf = clientShapes();
  expect(problemsIn(shapeOf('Update'), { operation_id: 3, status: 'completed' })).toEqual([]);
  expect(problemsIn(shapeOf('Update'), { operation_id: '3', state: 'completed' })).toEqual([
    "the body: must have required property 'status'",
    'the body: must NOT have additional properties (state)',
    expect.stringMatching(/^operation_id: must be /),
  ]);
  const listed = { object: 'list', data: [], model: 'm', usage: { prompt_tokens: 1 } };
  expect(problemsIn(shapeOf('Embeddings'), listed)).toEqual([
    "usage: must have required property 'total_tokens'",
  ]);
});

describe('npm run drift', () => {
  let provider: Server;
  let asked = 0;
  const url = () => `http://127.0.0.1:${(provider.address() as AddressInfo).port}/v1`;

  beforeAll(async () => {
    provider = createServer((_, response) => {
      asked++;
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end('{"object":"list","news":1}');
    });
    await new Promise<void>((resolve) => provider.listen(0, '127.0.0.1', resolve));
  });
  afterAll(() => void provider.close());

  const drift = (flags: string[]) =>
    promisify(execFile)(process.execPath, ['drift/drift.ts', '--openai-url', url(), ...flags], {
      env: { ...process.env, OPENAI_API_KEY: 'sk-never-shown' },
    }).catch((error: { stdout: string; code: number }) => error);

  test('finds the mocks as the clients declare them, says the cost, and sends nothing unasked', async () => {
    const { stdout } = await drift([]);
    expect(stdout).toMatch(/calls:\n {2}no difference\n/);
    expect(stdout).toContain(`6 real calls to ${url()}: 1 tokens, about $0.00000002.`);
    expect(stdout).toContain('Nothing was sent: add --yes.');
    expect(asked).toBe(0);
  });

  test('names what differs by field, and exits with 1', async () => {
    const result = await drift(['--yes']);
    expect(result).toMatchObject({ code: 1 });
    expect(asked).toBe(6);
    expect(result.stdout).toContain('against the provider: news: the mock has none (number)');
    expect(result.stdout).toContain('against the provider: usage: only the mock has it');
    expect(result.stdout).not.toContain('sk-never-shown');
  });
});
