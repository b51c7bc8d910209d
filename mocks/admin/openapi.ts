import { type Schema, schemas } from './schemas.ts';

type Content = Record<string, { schema: Schema }>;
type Response = { description: string; content: Content };
type Parameter = {
  name: string;
  in: 'path' | 'query';
  required: boolean;
  description: string;
  schema: Schema;
};
type Operation = {
  operationId: string;
  summary: string;
  parameters?: Parameter[];
  requestBody?: { required: true; content: Content };
  responses: Record<string, Response>;
  security?: [];
};

/** An OpenAPI description, as far as this port needs it. */
export type OpenApi = {
  openapi: '3.1.0';
  info: { title: string; version: string; description: string };
  security: Record<string, []>[];
  paths: Record<string, Partial<Record<'get' | 'post' | 'patch' | 'delete', Operation>>>;
  components: {
    schemas: Record<string, Schema>;
    securitySchemes: Record<string, { type: 'http'; scheme: 'bearer' }>;
  };
};

const json = (schema: string): Content => ({
  'application/json': { schema: { $ref: `#/components/schemas/${schema}` } },
});
const answer = (description: string, schema: string): Response => ({
  description,
  content: json(schema),
});
const refusals = {
  401: answer('No token, or a wrong one.', 'Error'),
  403: answer('From a browser, or by a foreign Host.', 'Error'),
};
const unknownName = { 404: answer('No such profile.', 'Error') };
const name: Parameter = {
  name: 'name',
  in: 'path',
  required: true,
  description: 'a key without its sk-kneepoint- or kneepoint-: tier-3, free-a, lab',
  schema: { type: 'string' },
};
const query = (parameter: string, description: string, schema: Schema): Parameter => ({
  name: parameter,
  in: 'query',
  required: false,
  description,
  schema,
});

/** What the admin port offers, as clients can read it. */
export const openapi = (version: string): OpenApi => ({
  openapi: '3.1.0',
  info: {
    title: 'Kneepoint mocks: admin',
    version,
    description: 'State of the mocks, changes in mid-run, journal and metrics.',
  },
  security: [{ token: [] }],
  paths: {
    '/healthz': {
      get: {
        operationId: 'health',
        summary: 'Whether the mocks are up',
        security: [],
        responses: { 200: answer('They are.', 'Health') },
      },
    },
    '/openapi.json': {
      get: {
        operationId: 'describe',
        summary: 'This description',
        responses: {
          200: {
            description: 'OpenAPI 3.1.',
            content: { 'application/json': { schema: { type: 'object' } } },
          },
          ...refusals,
        },
      },
    },
    '/profiles': {
      get: {
        operationId: 'listProfiles',
        summary: 'All profiles that have begun',
        responses: { 200: answer('The oldest first.', 'Summaries'), ...refusals },
      },
    },
    '/profiles/{name}': {
      get: {
        operationId: 'showProfile',
        summary: 'Settings, buckets, queue and statistics of one profile',
        parameters: [name],
        responses: { 200: answer('As it stands.', 'Profile'), ...refusals, ...unknownName },
      },
      patch: {
        operationId: 'changeProfile',
        summary: 'Changes a profile while its clients go on; begins it where it has not begun',
        parameters: [name],
        requestBody: { required: true, content: json('Change') },
        responses: {
          200: answer('As it stands now.', 'Profile'),
          400: answer('A field that is unknown, wrong or not to be changed.', 'Error'),
          ...refusals,
          ...unknownName,
          413: answer('The body is too large.', 'Error'),
        },
      },
    },
    '/profiles/{name}/reset': {
      post: {
        operationId: 'resetProfile',
        summary: 'Forgets one profile: its next request begins it anew',
        parameters: [name],
        responses: { 200: answer('Forgotten.', 'Status'), ...refusals, ...unknownName },
      },
    },
    '/reset': {
      post: {
        operationId: 'reset',
        summary: 'Forgets all profiles',
        responses: { 200: answer('Forgotten.', 'Status'), ...refusals },
      },
    },
    '/journal': {
      get: {
        operationId: 'readJournal',
        summary: 'The last requests to OpenAI and Qdrant, without keys',
        parameters: [
          query('limit', 'entries at most; 100 unless told', {
            type: 'integer',
            minimum: 0,
            maximum: 1_000,
          }),
          query('profile', 'only of this name', { type: 'string' }),
          query('since', 'only entries whose number is over this, the oldest first', {
            type: 'integer',
            minimum: 0,
          }),
        ],
        responses: {
          200: answer('In the order of arrival.', 'Journal'),
          400: answer('A parameter is wrong.', 'Error'),
          ...refusals,
        },
      },
      delete: {
        operationId: 'clearJournal',
        summary: 'Empties the journal',
        responses: { 200: answer('Emptied.', 'Status'), ...refusals },
      },
    },
    '/metrics': {
      get: {
        operationId: 'readMetrics',
        summary: 'Metrics for Prometheus, at most 100 profiles',
        responses: {
          200: {
            description: 'Text format 0.0.4.',
            content: { 'text/plain': { schema: { type: 'string' } } },
          },
          ...refusals,
        },
      },
    },
  },
  components: { schemas, securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
});
