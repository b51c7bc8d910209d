import { describeEstimate, estimate } from '../analyze/upgrade/cost.ts';
import { createMeterSwitch, openRealStage } from '../engines/real-stage.ts';
import type { Lab } from '../model/lab.ts';
import { startPassThrough } from '../services/pass-through/pass-through.ts';
import { readUpstream } from '../services/pass-through/upstream.ts';
import { UsageError } from '../usage-error.ts';
import type { ExecOptions, Prepared } from './exec-services.ts';

function maxCostOf(text: string): number {
  const usd = Number(text);
  if (text.trim() === '' || !(usd > 0 && Number.isFinite(usd)))
    throw new UsageError(`--max-cost: must be an amount of US dollars over 0, got "${text}"`);
  return usd;
}

/**
 * Prepares a run against the services in the environment: says what it will send and what that costs,
 * and goes on only where the user has agreed to it. Throws UsageError where not.
 */
export async function prepareReal(
  lab: Lab,
  { yes, maxCost, mysqlUrl }: ExecOptions,
  closing: (() => Promise<void>)[],
  say: (line: string) => void,
): Promise<Prepared> {
  const { env } = process;
  if (mysqlUrl !== undefined)
    throw new UsageError('--mysql-url: with --real your command reads from its own MySQL');
  if (!env.OPENAI_API_KEY)
    throw new UsageError('--real: OPENAI_API_KEY is not set; the command needs your own');
  if (!env.QDRANT_URL)
    throw new UsageError('--real: QDRANT_URL is not set; give the address of your cluster');
  const openaiUrl = env.OPENAI_BASE_URL || 'https://api.openai.com/v1';
  const hosts = {
    openai: readUpstream('openai', openaiUrl).origin,
    qdrant: readUpstream('qdrant', env.QDRANT_URL).origin,
  };
  const agreed = yes === true && maxCost !== undefined;
  for (const line of describeEstimate(estimate(lab), hosts, agreed)) say(line);
  say('Your command must do the same work for each worker count: nothing is reset in between.');
  if (!agreed) throw new UsageError('--real: nothing was sent; add --yes and --max-cost to go on');
  const meters = createMeterSwitch();
  const passThrough = await startPassThrough({
    openaiUrl,
    qdrantUrl: env.QDRANT_URL,
    sink: meters.sink,
    gone: meters.gone,
    proxyEnv: env,
    maxCostUsd: maxCostOf(maxCost),
  });
  closing.push(async () => {
    const { usd, tokens } = passThrough.spending();
    say(`embedded ${tokens} tokens for about $${usd.toFixed(4)}`);
    await passThrough.close();
  });
  return {
    open: async () => openRealStage(passThrough, meters, lab.workload.chunksPerRecord),
    provenance: { services: `${hosts.openai}, ${hosts.qdrant}` },
    asSeen(known) {
      const seen = passThrough.limits()[known.openai.model];
      return {
        ...known,
        openai: {
          ...known.openai,
          limits: {
            ...known.openai.limits,
            // On the free tier that header has named a day's limit.
            ...(seen?.requests !== undefined &&
              known.openai.tier !== 'free' && { rpm: seen.requests }),
            ...(seen?.tokens !== undefined && { tpm: seen.tokens }),
          },
        },
      };
    },
  };
}
