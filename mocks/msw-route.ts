import type { Endpoint } from './endpoint.ts';
import { serverLimits } from './server-limits.ts';

type Route = { endpoint: Endpoint; params: Record<string, string> };

/** The decoded parts of a path, one slash at its end left out; undefined where an escape is broken. */
function partsOf(path: string): string[] | undefined {
  const trimmed = path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path;
  try {
    return trimmed.slice(1).split('/').map(decodeURIComponent);
  } catch {
    return undefined;
  }
}

function paramsOf(endpoint: Endpoint, parts: string[]): Record<string, string> | undefined {
  const wanted = endpoint.path.slice(1).split('/');
  if (wanted.length !== parts.length) return undefined;
  const params: Record<string, string> = {};
  for (const [at, part] of wanted.entries()) {
    const given = parts[at]!;
    if (!part.startsWith(':')) {
      if (part !== given) return undefined;
    } else if (given.length > serverLimits.maxParamLength) return undefined;
    else params[part.slice(1)] = given;
  }
  return params;
}

/** Sorts a fixed part before a parameter in the same place: `/points/scroll` before `/points/:id`. */
const precedence = ({ path }: Endpoint): string => path.replaceAll(/:[^/]+/g, '\uffff');

/** The endpoint that answers, by the rules of the Fastify door: HEAD is answered by GET. */
export function findRoute(endpoints: Endpoint[], method: string, path: string): Route | undefined {
  const parts = partsOf(path);
  if (!parts) return undefined;
  const routes: Route[] = [];
  for (const endpoint of endpoints) {
    const fits = endpoint.method === method || (method === 'HEAD' && endpoint.method === 'GET');
    const params = fits ? paramsOf(endpoint, parts) : undefined;
    if (params) routes.push({ endpoint, params });
  }
  const [first, ...others] = routes;
  if (!first) return undefined;
  return others.reduce(
    (best, route) => (precedence(route.endpoint) < precedence(best.endpoint) ? route : best),
    first,
  );
}

/** Whether any method is served there. */
export function isKnownPath(endpoints: Endpoint[], path: string): boolean {
  const parts = partsOf(path);
  return parts !== undefined && endpoints.some((endpoint) => paramsOf(endpoint, parts));
}
