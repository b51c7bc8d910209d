/** For the tests of this folder: a service to ask, and error bodies as whole texts. */
import { completeLab } from '../../src/model/lab.ts';
import type { LabFile } from '../../src/model/lab-schema.ts';
import { type Answer, answerTo } from '../endpoint.ts';
import { createRuns } from '../runs.ts';
import { openaiService } from './service.ts';

export const small = 'text-embedding-3-small';
export const ada = 'text-embedding-ada-002';

export type Lab = NonNullable<LabFile['openai']>;
export type Ask = {
  method?: 'GET' | 'POST';
  path?: string;
  key?: string | undefined;
  raw?: string;
};

/** A service whose key `sk-kneepoint-lab` has this lab, asked at one instant. */
export const start = (openai: Lab = {}, faults: LabFile['faults'] = [], speed = 1) => {
  const runs = createRuns(completeLab({ openai, faults }), speed);
  const service = openaiService((key) =>
    key.startsWith('sk-kneepoint-') ? runs.openai(key.slice(13)) : undefined,
  );
  const ask = (
    body: unknown,
    { method = 'POST', path = '/v1/embeddings', key = 'sk-kneepoint-lab', raw }: Ask = {},
  ): Answer => {
    const parts = /^(\/v1\/models)\/(.+)$/.exec(path);
    const pattern = parts ? '/v1/models/:model' : path;
    const endpoint = service.endpoints.find((e) => e.path === pattern && e.method === method);
    if (!endpoint) return service.notFound(method, path);
    const request = {
      method,
      url: path,
      headers: { authorization: key && `Bearer ${key}` },
      params: parts ? { model: parts[2]! } : {},
      query: {},
      bytes: Buffer.from(raw ?? (body === undefined ? '' : JSON.stringify(body))),
    };
    return answerTo(service, endpoint, request, 1_000);
  };
  const embed = (input: unknown, more: Record<string, unknown> = {}) =>
    ask({ model: small, input, ...more });
  return { runs, service, ask, embed };
};

/** An error body as the provider prints it, with two spaces. */
export const printed = (
  message: string,
  type: string,
  code: string | null = null,
  param: string | null = null,
) =>
  `{
  "error": {
    "message": ${JSON.stringify(message)},
    "type": "${type}",
    "param": ${JSON.stringify(param)},
    "code": ${JSON.stringify(code)}
  }
}`;
export const bad = (message: string, code: string | null = null, param: string | null = null) =>
  printed(message, 'invalid_request_error', code, param);

export const many = (length: number, text = 'x') => Array.from({ length }, () => text);
