/** What keeps a diagnosis from being sure, and what would settle it. */
import type { Bottleneck, Warning } from '../../model/sweep.ts';
import type { Judged } from './absorption.ts';
import type { Rung } from './ladder.ts';

export const nothingArrived: Warning = {
  code: 'nothing-arrived',
  message: 'Not one record arrived completely, so there is no throughput to judge.',
  remedy: 'Look at the errors of the cells with the fewest workers; mend those, and run again.',
};

export function modelDisagrees(seen: Bottleneck, first: Rung | undefined): Warning {
  const expected = first
    ? `${first.resource} at ${Number(first.knee.toPrecision(3))} workers`
    : 'nothing';
  return {
    code: 'model-disagrees',
    message: `The run points to ${seen}; the model expected ${expected} to bind.`,
    remedy: 'Run again with more records; if it stays, the lab does not describe this pipeline.',
  };
}

export function stormHides({ seen, loss }: Judged, limit: Bottleneck): Warning {
  return {
    code: 'retries-hide-the-knee',
    message: `At ${seen.workers} workers ${Math.round(loss * 100)} % of their time brings nothing: refused requests are tried again and eat the quota of ${limit}, though good traffic would fit into it.`,
    remedy: `Run a count under ${seen.workers}, start with a full bucket (openai.bucket: full), or use a client that waits as long as it is told.`,
  };
}

export function unexplained({ seen, loss }: Judged, what: 'embedding' | 'nothing'): Warning {
  const lost = `At ${seen.workers} workers ${Math.round(loss * 100)} % of their time brings nothing`;
  return what === 'embedding'
    ? {
        code: 'embeddings-slow-down',
        message: `${lost}: embeddings take longer, and no limit was hit that would explain it.`,
        remedy:
          'Look at the latency of the embeddings service, of the network and of the machine that ran this by worker count, and run fewer workers until it stays flat.',
      }
    : {
        code: 'wait-not-seen',
        message: `${lost}, and no request was under way: workers wait for something inside the command.`,
        remedy:
          'Look for a lock, a single event loop, or a database pool of its own; or set workload.recordsPerClaim if it claims more records at a time.',
      };
}
