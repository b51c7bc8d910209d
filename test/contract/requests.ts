/** The requests that both doors must answer alike: one after the other, since some leave points behind. */

export type ContractRequest = {
  name: string;
  to: 'openai' | 'qdrant';
  method: string;
  /** Below the service's root. */
  path: string;
  /** Beside the right key and `content-type: application/json`; an empty value leaves one of them out. */
  headers?: Record<string, string>;
  /** Sent as JSON, unless it is text or bytes already. */
  body?: unknown;
  status: number;
};

export const key = 'the-right-key';

const model = 'text-embedding-3-small';
const tooLong = new Uint8Array(33 * 1024 * 1024).fill(0x20);
const points = [1, 2, 3].map((id) => ({
  id,
  vector: [id, 1, 0, 0],
  payload: { even: id % 2 === 0 },
}));

type Given = [
  name: string,
  method: string,
  path: string,
  status: number,
  body?: unknown,
  headers?: Record<string, string>,
];

const openaiRequests: Given[] = [
  ['one text', 'POST', '/v1/embeddings', 200, { model, input: 'one text' }],
  ['two texts', 'POST', '/v1/embeddings', 200, { model, input: ['one', 'two'], dimensions: 8 }],
  ['base64', 'POST', '/v1/embeddings', 200, { model, input: 'x', encoding_format: 'base64' }],
  ['tokens', 'POST', '/v1/embeddings', 200, { model, input: [1, 2, 3], dimensions: 8 }],
  [
    'text beyond ASCII',
    'POST',
    '/v1/embeddings',
    200,
    { model, input: 'ÄÖÜ 漢字 🙂', dimensions: 8 },
  ],
  ['large model', 'POST', '/v1/embeddings', 200, { model: 'text-embedding-3-large', input: 'x' }],
  ['a query', 'POST', '/v1/embeddings?a=1&b=%20', 200, { model, input: 'x', dimensions: 8 }],
  ['slash at the end', 'POST', '/v1/embeddings/', 200, { model, input: 'x', dimensions: 8 }],
  ['two slashes at the end', 'POST', '/v1/embeddings//', 404, { model, input: 'x' }],
  [
    'escaped letter in the path',
    'POST',
    '/v1/%65mbeddings',
    200,
    { model, input: 'x', dimensions: 8 },
  ],
  ['other case of the path', 'POST', '/v1/Embeddings', 404, { model, input: 'x' }],
  [
    'no content type',
    'POST',
    '/v1/embeddings',
    200,
    JSON.stringify({ model, input: 'x', dimensions: 8 }),
    { 'content-type': '' },
  ],
  ['unknown model', 'POST', '/v1/embeddings', 404, { model: 'no-such-model', input: 'x' }],
  ['no model', 'POST', '/v1/embeddings', 400, { input: 'x' }],
  ['no input', 'POST', '/v1/embeddings', 400, { model }],
  ['empty input', 'POST', '/v1/embeddings', 400, { model, input: '' }],
  ['input of a wrong type', 'POST', '/v1/embeddings', 400, { model, input: { a: 1 } }],
  ['too many inputs', 'POST', '/v1/embeddings', 400, { model, input: new Array(2_049).fill('x') }],
  ['too many dimensions', 'POST', '/v1/embeddings', 400, { model, input: 'x', dimensions: 9_999 }],
  ['no dimensions', 'POST', '/v1/embeddings', 400, { model, input: 'x', dimensions: 0 }],
  [
    'unknown encoding',
    'POST',
    '/v1/embeddings',
    400,
    { model, input: 'x', encoding_format: 'hex' },
  ],
  ['unknown parameter', 'POST', '/v1/embeddings', 400, { model, input: 'x', nonsense: 1 }],
  ['a list for a body', 'POST', '/v1/embeddings', 400, []],
  ['broken JSON', 'POST', '/v1/embeddings', 400, '{"model": '],
  ['empty body', 'POST', '/v1/embeddings', 400],
  ['bytes that are no text', 'POST', '/v1/embeddings', 400, new Uint8Array([0xff, 0xfe, 0x00])],
  ['too long a body', 'POST', '/v1/embeddings', 413, tooLong],
  ['too long a body to nowhere', 'POST', '/v1/nowhere', 413, tooLong],
  ['no key', 'POST', '/v1/embeddings', 401, { model, input: 'x' }, { authorization: '' }],
  [
    'wrong key',
    'POST',
    '/v1/embeddings',
    401,
    { model, input: 'x' },
    { authorization: 'Bearer wrong' },
  ],
  [
    'no bearer',
    'POST',
    '/v1/embeddings',
    401,
    { model, input: 'x' },
    { authorization: 'Basic abc' },
  ],
  ['models', 'GET', '/v1/models', 200],
  ['models without a key', 'GET', '/v1/models', 401, undefined, { authorization: '' }],
  ['models by HEAD', 'HEAD', '/v1/models', 200],
  ['embeddings by GET', 'GET', '/v1/embeddings', 405],
  ['embeddings by HEAD', 'HEAD', '/v1/embeddings', 405],
  ['embeddings by OPTIONS', 'OPTIONS', '/v1/embeddings', 405],
  ['embeddings by PUT', 'PUT', '/v1/embeddings', 405, { model, input: 'x' }],
  ['embeddings by DELETE', 'DELETE', '/v1/embeddings', 405],
  ['unknown route', 'GET', '/v1/nowhere?a=%2F', 404],
  ['unknown route by POST', 'POST', '/v1/nowhere/at/all', 404, { a: 1 }],
  ['the root of the API', 'GET', '/v1', 404],
];

const c = '/collections/docs';
const qdrantRequests: Given[] = [
  ['root', 'GET', '/', 200],
  ['health', 'GET', '/healthz', 200],
  ['ready by HEAD', 'HEAD', '/readyz', 200],
  ['no collections', 'GET', '/collections', 200],
  ['slash after collections', 'GET', '/collections/', 200],
  ['no such collection', 'GET', c, 404],
  ['is not there', 'GET', `${c}/exists`, 200],
  ['create', 'PUT', c, 200, { vectors: { size: 4, distance: 'Dot' } }],
  ['create again', 'PUT', c, 409, { vectors: { size: 4, distance: 'Dot' } }],
  [
    'create without vectors of a size',
    'PUT',
    '/collections/odd',
    400,
    { vectors: { size: 'four' } },
  ],
  [
    'create an escaped name',
    'PUT',
    '/collections/a%20b%2Fc%C3%A4',
    200,
    { vectors: { size: 4, distance: 'Dot' } },
  ],
  ['find an escaped name', 'GET', '/collections/a%20b%2Fc%C3%A4/exists', 200],
  ['a plus is no space', 'GET', '/collections/a+b%2Fc%C3%A4/exists', 200],
  ['a name that is a route', 'GET', '/collections/points/exists', 200],
  ['a name of 2,000 letters', 'GET', `/collections/${'n'.repeat(2_000)}/exists`, 404],
  ['list', 'GET', '/collections', 200],
  ['upsert', 'PUT', `${c}/points?wait=true`, 200, { points }],
  ['upsert without waiting', 'PUT', `${c}/points`, 200, { points }],
  [
    'upsert of a wrong size',
    'PUT',
    `${c}/points?wait=true`,
    400,
    { points: [{ id: 1, vector: [1] }] },
  ],
  ['upsert into nothing', 'PUT', '/collections/none/points', 404, { points }],
  ['upsert with a wrong wait', 'PUT', `${c}/points?wait=perhaps`, 400, { points }],
  ['upsert with a short timeout', 'PUT', `${c}/points?timeout=0`, 422, { points }],
  ['upsert of broken JSON', 'PUT', `${c}/points`, 400, '{"points": ['],
  ['upsert of nothing', 'PUT', `${c}/points`, 400],
  ['upsert that is too long', 'PUT', `${c}/points`, 400, tooLong],
  ['retrieve', 'POST', `${c}/points`, 200, { ids: [1, 3, 9], with_vector: true }],
  ['retrieve one', 'GET', `${c}/points/2`, 200],
  ['retrieve one by HEAD', 'HEAD', `${c}/points/2`, 200],
  ['retrieve one that is not there', 'GET', `${c}/points/99`, 404],
  ['retrieve one by a wrong id', 'GET', `${c}/points/scroll`, 400],
  ['scroll', 'POST', `${c}/points/scroll`, 200, { limit: 2 }],
  ['scroll with a slash', 'POST', `${c}/points/scroll/`, 200, { limit: 2 }],
  ['count', 'POST', `${c}/points/count`, 200, { exact: true }],
  [
    'count a filter',
    'POST',
    `${c}/points/count`,
    200,
    { filter: { must: [{ key: 'even', match: { value: true } }] } },
  ],
  [
    'query',
    'POST',
    `${c}/points/query`,
    200,
    { query: [1, 0, 0, 0], limit: 2, with_payload: true },
  ],
  ['delete points', 'POST', `${c}/points/delete?wait=true`, 200, { points: [1] }],
  ['index', 'PUT', `${c}/index?wait=true`, 200, { field_name: 'even', field_schema: 'bool' }],
  ['info', 'GET', c, 200],
  ['no key', 'GET', '/collections', 401, undefined, { 'api-key': '' }],
  ['wrong key', 'GET', '/collections', 401, undefined, { 'api-key': 'wrong' }],
  [
    'key as a bearer',
    'GET',
    '/collections',
    200,
    undefined,
    { 'api-key': '', authorization: `Bearer ${key}` },
  ],
  ['wrong method', 'POST', '/collections', 404, {}],
  ['by OPTIONS', 'OPTIONS', '/collections', 404],
  ['unknown route', 'GET', '/collections/docs/nowhere', 404],
  ['another unknown route', 'GET', '/nowhere', 404],
  ['drop', 'DELETE', c, 200],
  ['a broken escape', 'GET', '/collections/%zz', 404],
  ['drop what is gone', 'DELETE', c, 200],
];

const listed = (to: 'openai' | 'qdrant', given: Given[]): ContractRequest[] =>
  given.map(([name, method, path, status, body, headers = {}]) => ({
    ...{ to, method, path, status, body, headers },
    name: `${to}: ${name}`,
  }));

export const requests: ContractRequest[] = [
  ...listed('openai', openaiRequests),
  ...listed('qdrant', qdrantRequests),
];
