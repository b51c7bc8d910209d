import type { MockRequest } from './endpoint.ts';

/** Every header by which a client of a provider, or of the lab itself, says who it is. */
const secretHeaders = ['authorization', 'api-key', 'x-api-key', 'proxy-authorization', 'cookie'];

/** Shorter ones are words, not secrets: blotting them out would blot out half of the text. */
const leastLength = 8;

/** The values that must not be kept: keys without their scheme, cookies in whole. */
export function credentialsIn(headers: MockRequest['headers']): string[] {
  const found: string[] = [];
  for (const name of secretHeaders) {
    const given = headers[name];
    if (given === undefined) continue;
    const value = (typeof given === 'string' ? given : given.join(', ')).trim();
    const space = name === 'cookie' ? -1 : value.indexOf(' ');
    const secret = space < 0 ? value : value.slice(space + 1).trim();
    if (secret.length >= leastLength) found.push(secret);
  }
  return found;
}

/** The text without any of the secrets. */
export function withoutSecrets(text: string, secrets: string[]): string {
  let clean = text;
  for (const secret of secrets)
    if (clean.includes(secret)) clean = clean.replaceAll(secret, '[redacted]');
  return clean;
}
