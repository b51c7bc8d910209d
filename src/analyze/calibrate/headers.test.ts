import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { goDuration } from '../../../mocks/openai/durations.ts';
import { type Answer, readAnswers } from './headers.ts';
import { durationMs, limitsIn } from './limits.ts';

const small = 'text-embedding-3-small';
const answers = (text: string) => {
  const read = readAnswers(text);
  if ('problem' in read) throw new Error(read.problem);
  return read;
};
const limits = (given: Answer[], model = small) => {
  const found = limitsIn(given, model);
  if ('problem' in found) throw new Error(found.problem);
  return found;
};
const problemOf = (given: Answer[], model = small) => {
  const found = limitsIn(given, model);
  return 'problem' in found ? found.problem : `found ${found.tier}`;
};

// Recorded on 2025-11-07 by OpenTelemetry's tests; the account was on Tier 4.
const recorded = `HTTP/1.1 200 OK
content-type: application/json
date: Fri, 07 Nov 2025 10:22:31 GMT
openai-model: text-embedding-3-small
openai-processing-ms: 90
x-ratelimit-limit-requests: 10000
x-ratelimit-limit-tokens: 5000000
x-ratelimit-remaining-requests: 9999
x-ratelimit-remaining-tokens: 4999988
x-ratelimit-reset-requests: 6ms
x-ratelimit-reset-tokens: 0s
server: cloudflare
`;

type Told = { rpm?: number; tpm?: number; model?: string; date?: string; more?: string };
const dump = ({ rpm, tpm, model = small, date, more = '' }: Told) =>
  [
    'HTTP/2 200',
    `openai-model: ${model}`,
    ...(rpm ? [`x-ratelimit-limit-requests: ${rpm}`] : []),
    ...(tpm ? [`x-ratelimit-limit-tokens: ${tpm}`] : []),
    ...(date ? [`date: ${date}`] : []),
    ...(more ? [more] : []),
    '',
    '',
  ].join('\r\n');

describe('the 88 recorded answers', () => {
  const file = new URL('../../../test/fixtures/openai-embedding-headers.csv', import.meta.url);
  const rows = answers(readFileSync(file, 'utf8'));

  test('each are the tier that OpenAI publishes for such limits, and agree with a bucket of a minute', () => {
    const tiers = new Map<string, number>();
    for (const row of rows) {
      const { tier, matches, overrides, notes } = limits([row], row.model);
      expect({ matches, overrides }).toEqual({ matches: true, overrides: {} });
      expect(notes).toEqual([
        'reset headers agree with a bucket of one minute that refills evenly',
      ]);
      tiers.set(tier, (tiers.get(tier) ?? 0) + 1);
    }
    expect(Object.fromEntries(tiers)).toEqual({
      'tier-1': 7,
      'tier-3': 22,
      'tier-4': 1,
      'tier-5': 58,
    });
  });

  test('all together, the latest of a model count, and the earlier ones are told', () => {
    const { tier, answers: count, notes } = limits(rows);
    expect({ tier, count }).toEqual({ tier: 'tier-4', count: 1 });
    expect(notes[0]).toMatch(/^earlier answers said .*3000 requests a minute, 1000000 tokens/);
  });
});

describe('each form of headers', () => {
  const expected = { tier: 'tier-4', matches: true, model: small, answers: 1 };

  test.each([
    ['curl -D', recorded],
    ['curl -i, with its body', `${recorded}\n{\n  "object": "list", "model": "other"\n}\n`],
    [
      'curl -v',
      `> POST /v1/embeddings HTTP/1.1\n> Host: api.openai.com\n> \n${recorded.replace(/^/gm, '< ')}`,
    ],
    ['curl through a proxy', `HTTP/1.1 200 Connection established\r\n\r\n${recorded}`],
    ['CRLF', recorded.replaceAll('\n', '\r\n')],
    ['a paste without its status line', recorded.split('\n').slice(1).join('\n')],
  ])('%s', (_, text) => {
    expect(limits(answers(text))).toMatchObject(expected);
  });

  const headers = Object.fromEntries(
    recorded
      .trim()
      .split('\n')
      .slice(1)
      .map((line) => line.split(': ') as [string, string]),
  );

  test.each([
    ['one JSON object', JSON.stringify(headers, null, 2)],
    ['JSON lines under headers', `${JSON.stringify({ status: 200, headers })}\n`],
    [
      'JSON with capitals, numbers and lists',
      JSON.stringify([
        {
          'OpenAI-Model': small,
          'X-RateLimit-Limit-Requests': 10_000,
          'X-RateLimit-Limit-Tokens': ['5000000'],
        },
      ]),
    ],
    [
      'HAR',
      JSON.stringify({
        log: {
          entries: [
            { response: { headers: [{ name: 'Content-Type', value: 'text/html' }] } },
            {
              startedDateTime: '2025-11-07T10:22:31.000Z',
              request: { postData: { text: JSON.stringify({ model: small, input: 'x' }) } },
              response: {
                headers: Object.entries(headers)
                  .filter(([name]) => name !== 'openai-model')
                  .map(([name, value]) => ({ name, value })),
              },
            },
          ],
        },
      }),
    ],
  ])('%s', (_, text) => {
    expect(limits(answers(text))).toMatchObject(expected);
  });

  test('a body says whose they are where no header does', () => {
    const text = recorded.replace(/^openai-model.*\n/m, '');
    expect(answers(`${text}\n{"model": "text-embedding-ada-002-v2"}`)[0]!.model).toBe(
      'text-embedding-ada-002',
    );
  });
});

describe('limits', () => {
  test.each([
    ['free', { rpm: 100, tpm: 40_000 }],
    ['tier-1', { rpm: 3_000, tpm: 1_000_000 }],
    ['tier-2', { rpm: 5_000, tpm: 1_000_000 }],
    ['tier-3', { rpm: 5_000, tpm: 5_000_000 }],
    ['tier-4', { rpm: 10_000, tpm: 5_000_000 }],
    ['tier-5', { rpm: 10_000, tpm: 10_000_000 }],
  ])('of %s are recognised', (tier, told) => {
    expect(limits(answers(dump(told)))).toMatchObject({ tier, matches: true, overrides: {} });
  });

  test('of no tier stand beside the nearest one below', () => {
    expect(limits(answers(dump({ rpm: 10_000, tpm: 50_000_000 })))).toMatchObject({
      tier: 'tier-5',
      matches: false,
      overrides: { tpm: 50_000_000 },
    });
    // Never the free tier, whose limit per day nobody saw.
    expect(limits(answers(dump({ rpm: 500, tpm: 200_000 })))).toMatchObject({
      tier: 'tier-1',
      matches: false,
      overrides: { rpm: 500, tpm: 200_000 },
    });
  });

  test('of tokens alone do not tell Tier 1 from Tier 2', () => {
    expect(limits(answers(dump({ tpm: 1_000_000 })))).toMatchObject({
      tier: 'tier-1',
      matches: false,
      overrides: {},
    });
  });

  test("of a project win where they are lower, and leave the organisation's tier", () => {
    const more = 'x-ratelimit-limit-project-tokens: 200000';
    const found = limits(answers(dump({ rpm: 5_000, tpm: 5_000_000, more })));
    expect(found).toMatchObject({ tier: 'tier-3', matches: true, overrides: { tpm: 200_000 } });
    expect(found.notes.join()).toContain('lower limit of its own');
    const higher = 'x-ratelimit-limit-project-tokens: 9000000';
    expect(limits(answers(dump({ rpm: 5_000, tpm: 5_000_000, more: higher }))).overrides).toEqual(
      {},
    );
  });

  test('of a day are told from those of a minute by the reset', () => {
    // Recorded on the old Free tier: 200 requests a day, 7m12s for one of them.
    const text = `HTTP/1.1 200 OK
x-ratelimit-limit-requests: 200
x-ratelimit-limit-tokens: 40000
x-ratelimit-remaining-requests: 199
x-ratelimit-remaining-tokens: 39940
x-ratelimit-reset-requests: 7m12s
x-ratelimit-reset-tokens: 90ms`;
    expect(limits(answers(text)).found).toEqual({ rpd: 200, tpm: 40_000 });
  });

  test('whose resets follow from no bucket are told', () => {
    const text = recorded.replace('reset-requests: 6ms', 'reset-requests: 9s');
    expect(limits(answers(text)).notes[0]).toContain('openai.burstSeconds');
  });

  test('that contradict each other count by date, and without dates not at all', () => {
    const [one, three] = [
      { rpm: 3_000, tpm: 1_000_000, date: 'Mon, 02 Nov 2026 10:00:00 GMT' },
      { rpm: 5_000, tpm: 5_000_000, date: 'Mon, 09 Nov 2026 10:00:00 GMT' },
    ];
    expect(limits(answers(dump(three) + dump(one))).tier).toBe('tier-3');
    const { date: _, ...undated } = one;
    expect(problemOf(answers(dump(three) + dump(undated)))).toMatch(
      /contradict each other .*one account/,
    );
  });

  test.each([
    ['no limits', dump({}), /none of 1 answers has x-ratelimit-limit-requests .*curl/],
    ['a chat model', dump({ rpm: 500, tpm: 30_000, model: 'gpt-4o' }), /gpt-4o's.*embeddings call/],
    [
      'two other models',
      dump({ rpm: 1, model: 'text-embedding-3-large' }) +
        dump({ rpm: 1, model: 'text-embedding-ada-002' }),
      /choose one with --model/,
    ],
  ])('of %s are refused', (_, text, problem) => {
    expect(problemOf(answers(text))).toMatch(problem);
  });

  test('read durations as the mocks, and OpenAI, write them', () => {
    for (const ms of [0, 6, 999, 1_000, 2_812, 60_000, 432_000, 1_396_298, 3_600_000])
      expect(durationMs(goDuration(ms))).toBe(ms);
    expect(durationMs('64')).toBe(64_000);
    expect(durationMs('soon')).toBeUndefined();
  });
});

test('a limit header that says no limit is named', () => {
  const odd = answers(dump({ rpm: 5_000, more: 'x-ratelimit-limit-tokens: abc' }));
  expect(limits(odd).notes).toContain(
    'x-ratelimit-limit-tokens "abc" is no whole number over 0 and was left out',
  );
});
