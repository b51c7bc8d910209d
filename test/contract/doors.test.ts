import { beforeAll, describe, expect, test } from 'vitest';
import type { LabFile } from '../../src/model/lab-schema.ts';
import { type DoorName, doorNames, openDoor } from './doors.ts';
import { type ContractRequest, key, requests } from './requests.ts';

type Seen = { status: number; statusText: string; headers: Record<string, string>; body: string };

/** What a connection has and an interceptor has not. */
const ofConnections = ['connection', 'date', 'keep-alive'];

const lab: LabFile = {
  openai: { tier: 'tier-3', latency: { fixed: 1 } },
  qdrant: { latency: { fixed: 1 } },
};

async function send(url: string, request: ContractRequest): Promise<Seen> {
  const { to, method, path, body } = request;
  const headers = new Headers({
    'content-type': 'application/json',
    ...(to === 'openai' ? { authorization: `Bearer ${key}` } : { 'api-key': key }),
    ...request.headers,
  });
  for (const [name, value] of [...headers]) if (value === '') headers.delete(name);
  // Bytes rather than text: for text, fetch would name a content type by itself.
  const bytes =
    body instanceof Uint8Array || body === undefined
      ? body
      : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
  const answer = await fetch(url + path, {
    method,
    headers,
    body: (bytes as Uint8Array<ArrayBuffer> | undefined) ?? null,
  });
  const received = await answer.text();
  const seen = Object.fromEntries(answer.headers);
  for (const name of ofConnections) delete seen[name];
  if (method !== 'HEAD')
    expect(seen['content-length']).toBe(String(new TextEncoder().encode(received).length));
  // The time it took is in the body, so the lengths differ.
  if (to === 'qdrant') delete seen['content-length'];
  return {
    status: answer.status,
    statusText: answer.statusText,
    headers: seen,
    body: received.replace(/"time":[\d.e-]+/, '"time":0'),
  };
}

const seen: Record<DoorName, Map<string, Seen>> = { HTTP: new Map(), MSW: new Map() };

async function sendAll(name: DoorName): Promise<void> {
  const door = await openDoor(name, lab);
  try {
    for (const request of requests) {
      const answer = await send(door[request.to], request);
      const { headers } = answer;
      if (headers['x-request-id']) headers['x-request-id'] = 'req_…';
      seen[name].set(request.name, answer);
    }
  } finally {
    await door.close();
  }
}

beforeAll(async () => {
  for (const name of doorNames) await sendAll(name);
}, 120_000);

/** With the durations left out, which tell how long the requests before took. */
const withoutDurations = ({ status, headers, body }: Seen) => ({
  ...{ status, names: Object.keys(headers).sort() },
  limits: Object.entries(headers).filter(([name]) => /-(limit|remaining)-/.test(name)),
  body: body.replaceAll(/\d+(?:\.\d+)?(?=h|m|s)/g, 'n'),
});

test('refuses alike where a limit is used up', async () => {
  const ask = { model: 'text-embedding-3-small', input: 'text', dimensions: 4 };
  const request = { method: 'POST', path: '/v1/embeddings', body: ask, status: 200 };
  const answers: Record<DoorName, unknown[]> = { HTTP: [], MSW: [] };
  for (const name of doorNames) {
    // A day's limit refills too slowly for the speed of this door to matter.
    const door = await openDoor(name, { openai: { limits: { rpd: 2, tpm: 75_000_000 } } });
    for (let at = 0; at < 3; at++)
      answers[name].push(
        withoutDurations(await send(door.openai, { ...request, name: 'limited', to: 'openai' })),
      );
    await door.close();
  }
  expect(answers.MSW).toEqual(answers.HTTP);
  expect(answers.MSW.map((answer) => (answer as Seen).status)).toEqual([200, 200, 429]);
});

test('no request is named twice', () => {
  expect(seen.HTTP.size).toBe(requests.length);
});

describe.each(doorNames)('through %s', (door) => {
  test.each(requests.map((request) => [request.name, request] as const))('%s', (name, request) => {
    const answer = seen[door].get(name)!;
    expect(answer.status, answer.body).toBe(request.status);
    // Through each door the same, to the letter.
    expect(answer).toEqual(seen.HTTP.get(name));
  });
});
