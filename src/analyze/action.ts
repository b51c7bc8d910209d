import type { Lab } from '../model/lab.ts';
import type { Bottleneck } from '../model/sweep.ts';
import { type TierName, tierLadder, tiers } from '../model/tiers.ts';

type RateLimit = 'rpm' | 'tpm' | 'rpd';

/** The next tiers a user can buy from here. The test plan's own tiers stand where their numbers do. */
const higherTiers = (tier: TierName): TierName[] =>
  tierLadder.slice(tierLadder.indexOf(tier.replace('test-plan-', '') as TierName) + 1);

/** Limits of a tier that is absent are not limits. */
const limitIn = (tier: TierName, name: RateLimit) => tiers[tier].limits[name] ?? Infinity;

/** The cheapest tier that raises a limit, and the ones before it that don't. */
export function tierThatHelps(
  lab: Lab,
  name: RateLimit,
): { helps: TierName | undefined; gainsNothing: TierName[] } {
  const now = lab.openai.limits[name] ?? Infinity;
  const higher = lab.openai.tier === 'unlimited' ? [] : higherTiers(lab.openai.tier);
  const at = higher.findIndex((tier) => limitIn(tier, name) > now);
  return {
    helps: at < 0 ? undefined : higher[at],
    gainsNothing: at < 0 ? higher : higher.slice(0, at),
  };
}

/** What to do, in the words of the test plan's decision matrix. */
export function actionFor(lab: Lab, bottleneck: Bottleneck, workers: number): string {
  const keep = `keep ${workers} worker${workers === 1 ? '' : 's'}`;
  switch (bottleneck) {
    case 'openai-rpm':
    case 'openai-tpm':
    case 'openai-rpd': {
      const { helps } = tierThatHelps(lab, bottleneck.slice(7) as RateLimit);
      if (helps) return `Upgrade OpenAI to ${helps} OR ${keep}`;
      return `No higher OpenAI tier lifts this limit: ${keep}, or ask OpenAI for a custom limit`;
    }
    case 'qdrant':
      return `Upgrade Qdrant OR ${keep}`;
    case 'memory':
      return `Add RAM OR use max ${workers} workers`;
    case 'mysql-pool':
      return `Raise MYSQL_POOL_SIZE OR ${keep}`;
    case 'client-cpu':
      return `Add cores OR ${keep}`;
    case 'work-units':
      return `Claim fewer records at a time OR ${keep}`;
    case 'none':
      return `Use ${workers} worker${workers === 1 ? '' : 's'}`;
    case 'undetermined':
      return 'Run more records, or a wider matrix, and look again';
  }
}
