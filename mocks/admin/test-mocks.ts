import { checkLab } from '../../src/lab-file.ts';
import { type Mocks, startMocks } from '../server.ts';

/** What a test got over HTTP. `json` is whatever the test expects it to be. */
// biome-ignore lint/suspicious/noExplicitAny: a test that expects wrongly fails
export type Got = { status: number; text: string; headers: Headers; json: any };

/** Mocks on free ports with what tests ask of them. */
export type TestMocks = {
  mocks: Mocks;
  /** The admin port with its token. */
  admin: (method: string, path: string, body?: unknown) => Promise<Got>;
  embed: (key: string, input?: string, headers?: Record<string, string>) => Promise<Got>;
};

export async function got(url: string, init: RequestInit = {}): Promise<Got> {
  const answer = await fetch(url, init);
  const text = await answer.text();
  const json =
    /json/.test(answer.headers.get('content-type') ?? '') && text ? JSON.parse(text) : undefined;
  return { status: answer.status, text, headers: answer.headers, json };
}

export async function testMocks(lab: unknown, speed: number): Promise<TestMocks> {
  const mocks = await startMocks({
    lab: checkLab(lab, 'test'),
    speed,
    host: '127.0.0.1',
    ports: { openai: 0, qdrant: 0, records: 0, admin: 0 },
    version: '1.2.3',
    checkLab: (given) => checkLab(given, 'lab'),
  });
  return {
    mocks,
    admin: (method, path, body) =>
      got(`${mocks.adminUrl}${path}`, {
        method,
        headers: { authorization: `Bearer ${mocks.token}` },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
    embed: (key, input = 'text', headers = {}) =>
      got(`${mocks.openaiUrl}/embeddings`, {
        method: 'POST',
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
        body: JSON.stringify({ model: 'text-embedding-3-small', input, dimensions: 2 }),
      }),
  };
}
