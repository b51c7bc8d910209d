import type { Stack } from '../services/containers/stack.ts';
import type { Bench, SeenRun } from './k6.ts';

/** k6 and mocks in containers: what the mocks saw is asked of their admin port. */
export function dockerBench({ versions, runK6, urls, token }: Stack): Bench {
  return {
    k6Version: versions.k6,
    runK6,
    async runs() {
      const answer = await fetch(`${urls.host.admin}/profiles`, {
        headers: { authorization: `Bearer ${token}` },
        signal: AbortSignal.timeout(2_000),
      });
      const { profiles } = (await answer.json()) as { profiles: SeenRun[] };
      return profiles.map(({ name, reads, rateLimited }) => ({ name, reads, rateLimited }));
    },
  };
}
