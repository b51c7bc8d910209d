import { timingSafeEqual } from 'node:crypto';
import { type Answer, jsonAnswer, type Service } from '../endpoint.ts';

/** Names a browser can't be made to take for someone else's site. */
const isLoopback = (name: string): boolean =>
  name === 'localhost' || name === '[::1]' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(name);

/** The name of a Host header without its port. */
const nameIn = (host: string): string => host.replace(/:\d*$/, '').toLowerCase();

const refused = (why: string): Answer => jsonAnswer(403, { error: why });

/**
 * Who may come in: programs with the token. Pages in a browser may not, neither by a request across
 * origins nor by a name of their own that leads to this host. `ownHost` is where the port listens.
 */
export function gate(token: string, ownHost: string): NonNullable<Service['guard']> {
  const expected = Buffer.from(`Bearer ${token}`);
  const own = (ownHost.includes(':') ? `[${ownHost}]` : ownHost).toLowerCase();
  return ({ method, url, headers }) => {
    // By HEAD too, as container health checks ask.
    if ((method === 'GET' || method === 'HEAD') && url === '/healthz') return undefined;
    const name = nameIn(headers.host === undefined ? '' : String(headers.host));
    if (!isLoopback(name) && name !== own)
      return refused('Host: must be a loopback name or the --host of the mocks');
    if (headers.origin !== undefined) return refused('Origin: pages of browsers are refused');
    if (/^mozilla\//i.test(String(headers['user-agent'] ?? '')))
      return refused('User-Agent: browsers are refused');
    const given = Buffer.from(String(headers.authorization ?? ''));
    const known = given.length === expected.length && timingSafeEqual(given, expected);
    return known
      ? undefined
      : jsonAnswer(401, { error: 'send the token: Authorization: Bearer <token>' });
  };
}
