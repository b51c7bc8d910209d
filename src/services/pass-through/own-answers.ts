/** What the pass-through itself answers: one line of JSON in the provider's form, which says that it is Kneepoint's. */
import type { ServerResponse } from 'node:http';
import type { ServiceName } from '../../../mocks/observed.ts';

/** The text that clients show; `code` is for programs. */
export function ownError(service: ServiceName, code: string, problem: string): string {
  const message = `kneepoint's pass-through: ${problem}`;
  const body =
    service === 'openai'
      ? { error: { message, type: 'kneepoint', param: null, code } }
      : { status: { error: message }, time: 0 };
  return `${JSON.stringify(body)}\n`;
}

/** Sends an answer of our own, marked so that no OpenAI SDK tries again unless `again`. */
export function sendOwn(
  response: ServerResponse,
  status: number,
  body: string,
  again = false,
): void {
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    'x-kneepoint': 'pass-through',
    ...(again ? {} : { 'x-should-retry': 'false' }),
  });
  response.end(body);
}

const certificateCodes = /CERT|SIGNATURE|SELF_SIGNED/;

/** Why there was no answer, in words for the user. */
export function unreachable(origin: string, { code, message }: NodeJS.ErrnoException): string {
  const trust =
    code !== undefined && certificateCodes.test(code)
      ? '; to trust an own authority, name its file in NODE_EXTRA_CA_CERTS'
      : '';
  return `no answer from ${origin} (${code ?? message})${trust}`;
}
