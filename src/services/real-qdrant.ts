import { UsageError } from '../usage-error.ts';
import { MissingPartError } from './missing-part.ts';

/** A Qdrant that is not ours: where it is, how it lets us in, and what it calls itself. */
export type RealQdrant = { url: string; apiKey: string | undefined; version: string };

const fail = (problem: string) => {
  throw new MissingPartError(problem, [
    'start it',
    'leave --qdrant-url out to run against the mock',
  ]);
};

/**
 * Looks at the Qdrant of `--qdrant-url` before any load is sent. Only that flag leads here: QDRANT_URL
 * alone may be anybody's production cluster, left in the environment.
 */
export async function findRealQdrant(
  flag: string | true,
  env: NodeJS.ProcessEnv,
): Promise<RealQdrant> {
  const given = flag === true ? env.QDRANT_URL : flag;
  if (!given) throw new UsageError('--qdrant-url: give the address, or set QDRANT_URL');
  const url = given.replace(/\/+$/, '');
  if (!/^https?:\/\//.test(url) || !URL.canParse(url))
    throw new UsageError(`--qdrant-url: "${given}" is no address such as http://127.0.0.1:6333`);
  const apiKey = env.QDRANT_API_KEY;
  let answer: Response;
  try {
    answer = await fetch(`${url}/collections`, {
      headers: apiKey ? { 'api-key': apiKey } : {},
      signal: AbortSignal.timeout(5_000),
    });
  } catch (error) {
    const { cause, name } = error as Error & { cause?: { code?: string } };
    return fail(`--qdrant-url: nothing answers at ${url} (${cause?.code ?? name})`);
  }
  if (answer.status === 401 || answer.status === 403)
    return fail(`--qdrant-url: ${url} answers ${answer.status}; set QDRANT_API_KEY`);
  if (!answer.ok) return fail(`--qdrant-url: ${url} answers ${answer.status} to /collections`);
  const root = (await (await fetch(`${url}/`)).json().catch(() => ({}))) as { version?: string };
  return { url, apiKey, version: root.version ?? 'unknown' };
}
