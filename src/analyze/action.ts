import type { Lab } from '../model/lab.ts';
import type { Bottleneck } from '../model/sweep.ts';
import { type TierName, tierLadder, tiers } from '../model/tiers.ts';
import { limitName } from './diagnosis/culprit.ts';

type RateLimit = 'rpm' | 'tpm' | 'rpd';

/** The next tiers a user can buy from here. The test plan's own tiers stand where their numbers do. */
const higherTiers = (tier: TierName): TierName[] =>
  tierLadder.slice(tierLadder.indexOf(tier.replace('test-plan-', '') as TierName) + 1);

/** Limits of a tier that is absent are not limits. */
const limitIn = (tier: TierName, name: RateLimit) => tiers[tier].limits[name] ?? Infinity;

/**
 * The cheapest tier that raises a limit, and the ones before it that don't. Limits of the lab's own, on no
 * tier, are held against all of them by number.
 */
export function tierThatHelps(
  lab: Lab,
  name: RateLimit,
): { helps: TierName | undefined; gainsNothing: TierName[] } {
  const now = lab.openai.limits[name] ?? Infinity;
  const onTier = lab.openai.tier !== 'unlimited';
  const higher = onTier ? higherTiers(lab.openai.tier) : tierLadder;
  const at = higher.findIndex((tier) => limitIn(tier, name) > now);
  const before = at < 0 ? higher : higher.slice(0, at);
  return { helps: higher[at], gainsNothing: onTier ? before : [] };
}

/** What lifts a resource, in a few words; undefined where no tier on sale does. */
function liftOf(lab: Lab, bottleneck: Bottleneck): string | undefined {
  switch (bottleneck) {
    case 'openai-rpm':
    case 'openai-tpm':
    case 'openai-rpd': {
      const { helps } = tierThatHelps(lab, limitName(bottleneck));
      return helps && `Upgrade OpenAI to ${helps}`;
    }
    case 'qdrant':
      return 'Upgrade Qdrant';
    case 'memory':
      return 'Add RAM';
    case 'mysql-pool':
      return 'Raise MYSQL_POOL_SIZE';
    case 'client-cpu':
      return 'Add cores';
    case 'work-units':
      return lab.workload.recordsPerClaim > 1
        ? 'Claim fewer records at a time'
        : 'Give the run more records';
    default:
      return undefined;
  }
}

/** An action that goes on in the middle of a sentence: only its first word loses its capital. */
const continued = (action: string) => action.charAt(0).toLowerCase() + action.slice(1);

/**
 * What to do, in the words of the test plan's decision matrix. A `rival` is full at nearly the same
 * worker count, so that lifting one of the two alone gains next to nothing.
 */
export function actionFor(
  lab: Lab,
  bottleneck: Bottleneck,
  workers: number,
  rival?: Bottleneck,
): string {
  if (bottleneck === 'none') return `Use ${workers} worker${workers === 1 ? '' : 's'}`;
  if (bottleneck === 'undetermined') return 'Run more records, or a wider matrix, and look again';
  const keep =
    bottleneck === 'memory'
      ? `use max ${workers} worker${workers === 1 ? '' : 's'}`
      : `keep ${workers} worker${workers === 1 ? '' : 's'}`;
  const lift = liftOf(lab, bottleneck);
  if (!lift)
    return `No higher OpenAI tier lifts this limit: ${keep}, or ask OpenAI for a custom limit`;
  const both = rival && liftOf(lab, rival);
  return `${lift}${both ? ` and ${continued(both)}, for one alone gains little,` : ''} OR ${keep}`;
}
