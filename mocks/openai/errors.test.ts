import { describe, expect, test } from 'vitest';
import { type Ask, ada, bad, type Lab, many, printed, small, start } from './ask.ts';

const requestId = /^req_[0-9a-f]{32}$/;

const malformed = bad(
  "'$.input' is invalid. Please check the API reference: https://platform.openai.com/docs/api-reference.",
);
const notObject = bad(
  "'$' is invalid. Please check the API reference: https://platform.openai.com/docs/api-reference.",
);
/** So many tokens. */
const words = (tokens: number) => 'hello'.concat(' world'.repeat(tokens - 1));
const old: Lab = { wording: '2024' };

const refused: [string, unknown, string, Lab?][] = [
  [
    'an empty string',
    { model: small, input: '' },
    bad("Invalid 'input': input cannot be an empty string."),
  ],
  ['an empty string, 2024', { model: small, input: '' }, malformed, old],
  [
    'one empty string of two',
    { model: small, input: ['a', ''] },
    bad("Invalid 'input': input cannot be an empty string."),
  ],
  [
    '2,049 inputs',
    { model: small, input: many(2_049) },
    bad("Invalid 'input': array length must be 2048 or less."),
  ],
  ['2,049 inputs, 2024', { model: small, input: many(2_049) }, malformed, old],
  ['no input', { model: small, input: [] }, malformed],
  ['an empty token array', { model: small, input: [[1], []] }, malformed],
  ['texts and tokens', { model: small, input: ['a', 1] }, malformed],
  ['a number', { model: small, input: 5 }, malformed],
  ['null', { model: small, input: null }, malformed],
  ['an object', { model: small, input: {} }, malformed],
  [
    '8,193 tokens',
    { model: small, input: words(8_193) },
    bad("Invalid 'input[0]': maximum input length is 8192 tokens."),
  ],
  [
    '8,193 tokens, second',
    { model: small, input: ['a', words(8_193)] },
    bad("Invalid 'input[1]': maximum input length is 8192 tokens."),
  ],
  [
    '8,528 tokens, 2024',
    { model: small, input: words(8_528) },
    bad(
      "This model's maximum context length is 8192 tokens, however you requested 8528 tokens (8528 in your prompt; 0 for the completion). Please reduce your prompt; or completion length.",
    ),
    old,
  ],
  [
    'a token array of 8,193',
    { model: small, input: [many(8_193).map(() => 1)] },
    bad("Invalid 'input[0]': maximum input length is 8192 tokens."),
  ],
  [
    '306,153 tokens',
    { model: small, input: [...many(38, words(8_000)), words(2_153)] },
    printed(
      'Requested 306153 tokens, max 300000 tokens per request',
      'max_tokens_per_request',
      'max_tokens_per_request',
    ),
  ],
  [
    'no model',
    { input: 'a' },
    bad("Missing required parameter: 'model'.", 'missing_required_parameter', 'model'),
  ],
  [
    'no input at all',
    { model: small },
    bad("Missing required parameter: 'input'.", 'missing_required_parameter', 'input'),
  ],
  [
    'an unknown parameter',
    { model: small, input: 'a', x: 1 },
    bad("Unknown parameter: 'x'.", 'unknown_parameter', 'x'),
  ],
  [
    'a model that is no name',
    { model: 5, input: 'a' },
    bad(
      "Invalid type for 'model': expected a string, but got an integer instead.",
      'invalid_type',
      'model',
    ),
  ],
  [
    'a user that is no name',
    { model: small, input: 'a', user: ['u'] },
    bad(
      "Invalid type for 'user': expected a string, but got an array instead.",
      'invalid_type',
      'user',
    ),
  ],
  [
    'dimensions as text',
    { model: small, input: 'a', dimensions: '8' },
    bad(
      "Invalid type for 'dimensions': expected an integer, but got a string instead.",
      'invalid_type',
      'dimensions',
    ),
  ],
  [
    'no dimensions',
    { model: small, input: 'a', dimensions: 0 },
    bad("Invalid 'dimensions': Must be greater than or equal to 1.", null, 'dimensions'),
  ],
  [
    '1,537 dimensions',
    { model: small, input: 'a', dimensions: 1_537 },
    bad("Invalid 'dimensions': Must be less than or equal to 1536.", null, 'dimensions'),
  ],
  [
    'ada with dimensions',
    { model: ada, input: 'a', dimensions: 8 },
    bad('This model does not support specifying dimensions.'),
  ],
  [
    'an encoding',
    { model: small, input: 'a', encoding_format: 'md5' },
    bad("Invalid value for 'encoding_format' = md5. Supported values: ['float', 'base64']."),
  ],
  ['a list', [], notObject],
  ['a text', 'text', notObject],
  ['nothing', undefined, notObject],
];

describe('a 400', () => {
  test.each(refused)('for %s', (_, body, text, lab = {}) => {
    const answer = start(lab).ask(body);
    expect([answer.status, answer.body]).toEqual([400, text]);
    expect(Object.keys(answer.headers!).join()).not.toMatch(/x-ratelimit|processing-ms/);
    expect(answer.headers).toMatchObject({ 'openai-version': '2020-10-01' });
    expect(answer.about).toEqual({ run: 'lab', kind: 'embeddings' });
  });

  test('for a body that is no JSON', () => {
    const { status, body } = start().ask(undefined, { raw: '{"a":' });
    expect([status, body]).toEqual([
      400,
      bad(
        "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON. If you have trouble figuring out how to fix this, please contact us through our help center at help.openai.com.)",
      ),
    ]);
  });

  test.each([
    ['8,192 tokens', words(8_192)],
    ['300,000 tokens', [...many(37, words(8_000)), words(4_000)]],
    ['a space', ' '],
  ])('is not what %s get', (_, input) => {
    expect(start().embed(input, { dimensions: 1 }).status).toBe(200);
  });

  test('for too many tokens is by estimate in a run in fast motion', () => {
    const fast = (bytes: number) => start({}, [], 10).embed('x'.repeat(bytes), { dimensions: 1 });
    // 8,192 tokens at 4.44 bytes.
    expect(fast(36_372).status).toBe(200);
    expect(fast(36_376).body).toBe(bad("Invalid 'input[0]': maximum input length is 8192 tokens."));
  });
});

describe('at the edge', () => {
  const noKey =
    "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY), or as the password field (with blank username) if you're accessing the API from your browser and are prompted for a username and password. You can obtain an API key from https://platform.openai.com/account/api-keys.";
  const wrong = (shown: string) =>
    bad(
      `Incorrect API key provided: ${shown}. You can find your API key at https://platform.openai.com/account/api-keys.`,
      'invalid_api_key',
    );
  const get = { method: 'GET' } as const;
  const cases: [string, Ask, number, string][] = [
    ['no key', { key: '' }, 401, bad(noKey)],
    ['no key for the models', { ...get, path: '/v1/models', key: '' }, 401, bad(noKey)],
    ['no key for a model', { ...get, path: `/v1/models/${small}`, key: '' }, 401, bad(noKey)],
    ['a wrong key', { key: 'sk-wrong-api-key' }, 401, wrong('sk-wrong****-key')],
    ['the key of an example', { key: 'YOUR_API_KEY_HERE' }, 401, wrong('YOUR_API*****HERE')],
    ['a short key', { key: 'secret' }, 401, wrong('******')],
    ['an unknown route', { path: '/v1/nope?key=secret' }, 404, bad('Invalid URL (POST /v1/nope)')],
    [
      'another method of a known route',
      { path: '/v1/models' },
      405,
      bad(
        'Not allowed to POST on /v1/models. (HINT: Perhaps you meant to use a different HTTP method?)',
      ),
    ],
  ];
  test.each(cases)('%s', (_, ask, status, text) => {
    const answer = start().ask({ model: small, input: 'a' }, ask);
    expect([answer.status, answer.body]).toEqual([status, text]);
    expect(answer.headers?.['x-request-id']).toMatch(requestId);
    expect(Object.keys(answer.headers!).join()).not.toMatch(/x-ratelimit|openai-/);
    expect(answer.about).toBeUndefined();
  });

  test('a body that is too large', () => {
    const { status, body } = start().service.tooLarge(1e9);
    expect([status, body]).toEqual([413, bad('The request body is too large.')]);
  });
});

test('a model that is not there', () => {
  const answer = start().embed('a', { model: 'non-existent-embedding-model' });
  expect([answer.status, answer.body]).toEqual([
    404,
    bad(
      'The model `non-existent-embedding-model` does not exist or you do not have access to it.',
      'model_not_found',
    ),
  ]);
  expect(Object.keys(answer.headers!).join()).not.toMatch(/x-ratelimit|processing-ms/);
});
