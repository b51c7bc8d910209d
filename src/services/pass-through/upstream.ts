import type { ServiceName } from '../../../mocks/observed.ts';
import { UsageError } from '../../usage-error.ts';

/** Where the real service is. */
export type Upstream = {
  service: ServiceName;
  secure: boolean;
  /** Name or address, an IPv6 one without brackets. */
  hostname: string;
  port: number;
  /** As the Host header has it. */
  host: string;
  /** Scheme, host and port: what may be shown to a user. */
  origin: string;
  /** What all paths of the service begin with: no slash at the end, empty where there is none. */
  prefix: string;
};

const variables = {
  openai: {
    address: 'OPENAI_BASE_URL',
    key: 'OPENAI_API_KEY',
    example: 'https://api.openai.com/v1',
  },
  qdrant: { address: 'QDRANT_URL', key: 'QDRANT_API_KEY', example: 'https://my-cluster:6333' },
} as const;

/** The official Qdrant clients, Node and Python, take this port where the address names none. */
const qdrantPort = 6_333;

/** The port as it is written: a URL object forgets one that is its scheme's usual one. */
const writtenPort = (text: string): number | undefined => {
  const digits = /^https?:\/\/[^/?#]*:(\d+)(?=[/?#]|$)/i.exec(text)?.[1];
  return digits === undefined ? undefined : Number(digits);
};

/**
 * Reads the address of a service. Throws UsageError, in one line that names the variable and shows
 * nothing of the address: it may hold a key.
 */
export function readUpstream(service: ServiceName, given: string): Upstream {
  const { address, key, example } = variables[service];
  const text = given.trim();
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text))
    throw new UsageError(`${address}: no http or https address; give one such as ${example}`);
  const url = new URL(text);
  if (url.username !== '' || url.password !== '')
    throw new UsageError(
      `${address}: has credentials in it; put the key into ${key} and leave it out of the address`,
    );
  if (url.search !== '' || url.hash !== '')
    throw new UsageError(
      `${address}: has a query or a fragment, which clients drop; leave it out, and put a key into ${key}`,
    );
  const secure = url.protocol === 'https:';
  const schemePort = secure ? 443 : 80;
  const port = writtenPort(text) ?? (service === 'qdrant' ? qdrantPort : schemePort);
  const host = port === schemePort ? url.hostname : `${url.hostname}:${port}`;
  return {
    service,
    secure,
    hostname: url.hostname.replace(/^\[|\]$/g, ''),
    port,
    host,
    origin: `${url.protocol}//${host}`,
    prefix: url.pathname.replace(/\/+$/, ''),
  };
}

const thisMachine = /^(localhost|.*\.localhost|127\..*|0\.0\.0\.0|::1?|::ffff:.*)$/i;

/** Throws UsageError where a service is one of our own ports on 127.0.0.1: a request would go round for ever. */
export function refuseOwn({ service, hostname, port }: Upstream, ports: number[]): void {
  if (!thisMachine.test(hostname) || !ports.includes(port)) return;
  const { address, example } = variables[service];
  throw new UsageError(
    `${address}: is the pass-through itself; give the real service, such as ${example}`,
  );
}
