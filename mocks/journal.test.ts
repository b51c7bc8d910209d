import { expect, test } from 'vitest';
import { createJournal } from './journal.ts';
import type { Sighting } from './observed.ts';

const sighting = (given: Partial<Sighting> = {}): Sighting => ({
  service: 'openai',
  method: 'POST',
  path: '/v1/embeddings',
  headers: {},
  bytes: new Uint8Array(),
  answer: { status: 200, body: '{}' },
  nowMs: 5,
  ownMs: 0.25,
  ...given,
});
const bodyOf = (text: string) => new Uint8Array(Buffer.from(text));

test('keeps so many entries, and numbers go on', () => {
  const journal = createJournal({ entries: 3, bytes: 1e6, clip: 10 }, 0);
  for (let left = 5; left > 0; left--) journal.add(sighting());
  const numbers = journal.entries({ limit: 10 }).map(({ number }) => number);
  expect(numbers).toEqual([3, 4, 5]);
  journal.clear();
  expect(journal.size()).toEqual({ entries: 0, bytes: 0, last: 5 });
  journal.add(sighting());
  expect(journal.entries({ limit: 10 })).toMatchObject([{ number: 6, atMs: 5, ownMs: 0.25 }]);
  expect(journal.entries({ limit: 0 })).toEqual([]);
});

test('keeps so many bytes', () => {
  const journal = createJournal({ entries: 1_000, bytes: 10_000, clip: 2_048 }, 0);
  for (let left = 100; left > 0; left--) {
    journal.add(sighting({ bytes: bodyOf('x'.repeat(1_000_000)) }));
    expect(journal.size().bytes).toBeLessThanOrEqual(10_000);
  }
  expect(journal.size().entries).toBe(4);
  expect(journal.entries({ limit: 1 })[0]).toMatchObject({
    requestBytes: 1_000_000,
    body: 'x'.repeat(2_048),
  });
});

test('an entry that is larger than all leaves none', () => {
  const journal = createJournal({ entries: 5, bytes: 100, clip: 10 }, 0);
  journal.add(sighting());
  expect(journal.size()).toEqual({ entries: 0, bytes: 0, last: 1 });
});

test('clips paths and the bodies of refusals; other answers are not kept', () => {
  const journal = createJournal({ entries: 5, bytes: 1e6, clip: 10 }, 0);
  journal.add(
    sighting({ path: `/${'p'.repeat(100)}`, answer: { status: 429, body: 'n'.repeat(99) } }),
  );
  journal.add(sighting());
  const [refused, fine] = journal.entries({ limit: 5 });
  expect(refused).toMatchObject({ path: '/ppppppppp', answer: 'nnnnnnnnnn' });
  expect(fine).not.toHaveProperty('answer');
});

test.each([
  ['authorization', 'Bearer SECRET-0123'],
  ['authorization', 'Basic SECRET-0123'],
  ['api-key', 'SECRET-0123'],
  ['cookie', 'SECRET-0123'],
])('blots out what was given as %s: %s', (name, value) => {
  const journal = createJournal({ entries: 9, bytes: 1e6, clip: 30 }, 0);
  const headers = { [name]: value };
  // Also where the clip would cut the key in two.
  for (let before = 0; before <= 40; before++)
    journal.add(sighting({ headers, bytes: bodyOf(`${'x'.repeat(before)}SECRET-0123 and`) }));
  const answer = { status: 401, body: 'wrong key SECRET-0123' };
  journal.add(sighting({ headers, path: '/a/SECRET-0123?b=SECRET-0123', answer }));
  const text = JSON.stringify(journal.entries({ limit: 99 }));
  expect(text).not.toContain('SECR');
  expect(text).toContain('/a/[redacted]?b=[red');
});

test('tells the attempt, and chooses by run and number', () => {
  const journal = createJournal(undefined, 0);
  const of = (run: string): Sighting['answer'] => ({
    status: 200,
    body: '',
    about: { run, kind: 'embeddings' },
  });
  journal.add(sighting({ answer: of('a'), headers: { 'x-kneepoint-attempt': '2' } }));
  journal.add(sighting({ answer: of('b'), headers: { 'x-stainless-retry-count': '1' } }));
  journal.add(sighting({ answer: of('a'), headers: { 'x-stainless-retry-count': 'x' } }));
  expect(journal.entries({ limit: 9 }).map(({ attempt }) => attempt)).toEqual([2, 1, undefined]);
  expect(journal.entries({ limit: 9, run: 'a' }).map(({ number }) => number)).toEqual([1, 3]);
  expect(journal.entries({ limit: 1, since: 1 }).map(({ number }) => number)).toEqual([2]);
});
