/** What headers and latencies say about a lab's fields. */
import type { Lab } from '../../model/lab.ts';
import type { LatencySpec } from '../../model/latency.ts';
import { tiers } from '../../model/tiers.ts';
import type { Finding } from './calibrate.ts';
import { applyMs } from './exec.ts';
import type { Answer } from './headers.ts';
import { fitLatency, fitPercentiles, type LatencyFit } from './latency-fit.ts';
import type { Three } from './latency-fit-shape.ts';
import { limitsIn } from './limits.ts';
import type { Samples } from './samples.ts';

/** What a source found, and what is worth knowing about it; or why it can't be used. */
export type Found = { findings: Finding[]; notes: string[] };
export type Unusable = { problem: string };

const ms = (value: number) => `${Number(value.toPrecision(3))} ms`;
const percent = (share: number) => `${Number((100 * share).toPrecision(2))} %`;

/** Limits and tier of a lab's model. */
export function fromHeaders(
  answers: Answer[],
  lab: Lab,
  model: string | undefined,
  source: string,
): Found | Unusable {
  const found = limitsIn(answers, model ?? lab.openai.model);
  if ('problem' in found) return found;
  if (model !== undefined && found.model !== undefined && found.model !== model)
    return {
      problem: `the answers are of ${found.model}, not of --model ${model}; give that model's, or leave --model out`,
    };
  const { tier, matches, overrides, notes } = found;
  const when = found.latest ? ` of ${found.latest.slice(0, 10)}` : '';
  const answersText =
    found.answers === 1 ? `one answer${when}` : `${found.answers} answers, the last${when}`;
  const { origin } = tiers[tier];
  const table = `${origin.source}, ${origin.asOf}`;
  const has = Object.keys(overrides).length > 0;
  const findings: Finding[] = [
    {
      field: 'openai.tier',
      value: tier,
      grade: matches ? 'measured' : 'assumed',
      source,
      how: matches
        ? `its limits are those of ${answersText}; the table of tiers is ${origin.grade}, ${table}`
        : `the nearest published tier, ${table}`,
    },
    {
      field: 'openai.limits',
      value: overrides,
      grade: has ? 'measured' : 'documented',
      source: has ? source : table,
      how: has ? answersText : "the tier's own",
    },
  ];
  if (found.model !== undefined)
    findings.push({
      field: 'openai.model',
      value: found.model,
      grade: 'measured',
      source,
      how: answersText,
    });
  return { findings, notes };
}

const methodText = {
  constant: 'nearly constant',
  'shifted lognormal': 'shifted lognormal',
  'own percentiles': "the samples' own percentiles",
};

/** How a latency was come by: the fit, its errors, and how well it holds. */
function fitText(fit: LatencyFit): string {
  const parts = [`${fit.samples} samples`];
  if (fit.samples === 0) parts[0] = 'percentiles as given';
  else if (fit.method !== 'mean') parts.push(methodText[fit.method]);
  if (fit.shape && fit.method === 'shifted lognormal')
    parts.push(`shift ${ms(fit.shape.shiftMs)}, sigma ${fit.shape.sigma.toFixed(2)}`);
  if (fit.samples > 0) parts.push(`mean ${ms(fit.meanMs)} ± ${ms(fit.meanErrorMs)}`);
  if (fit.errorMs) parts.push(`p95 ± ${ms(fit.errorMs.p95)}`, `p99 ± ${ms(fit.errorMs.p99)}`);
  if (fit.distance !== undefined && fit.worst)
    parts.push(
      `KS distance ${fit.distance.toFixed(3)}`,
      `at most ${percent(fit.worst.share)} off (${fit.worst.percentile})`,
    );
  if (fit.perThousand) parts.push(`± ${ms(fit.perThousand.errorMs)} per 1,000 tokens`);
  return parts.join(', ');
}

/** A service's latency from samples, or from percentiles that were given. `service` is the section of the lab. */
export function fromLatencies(
  service: 'openai' | 'qdrant',
  given: Samples | { percentiles: Three },
  lab: Lab,
  source: string,
): Found | Unusable {
  const { chunksPerRecord, recordsPerClaim, batchSize } = lab.workload;
  const points = Math.min(batchSize, chunksPerRecord * recordsPerClaim);
  const planMs = service === 'qdrant' ? applyMs(lab, points) : 0;
  const fit =
    'percentiles' in given
      ? fitPercentiles(given.percentiles)
      : fitLatency(given.samples, service === 'qdrant' ? points : undefined);
  if ('problem' in fit) return fit;
  const notes = [...fit.notes];
  const latency: LatencySpec = { ...fit.latency };
  const lessThanPlan = Object.values(fit.latency).some((value) => value <= planMs);
  if (planMs > 0 && lessThanPlan)
    return {
      problem: `${ms(Math.min(...Object.values(fit.latency)))} is less than the ${ms(planMs)} that qdrant.plan ${lab.qdrant.plan} takes to apply ${points} points; choose the plan that you measured`,
    };
  for (const name of ['fixed', 'p50', 'p95', 'p99'] as const)
    if (latency[name] !== undefined && planMs > 0)
      latency[name] = Number((latency[name] - planMs).toPrecision(4));
  if (planMs > 0)
    notes.push(`less ${ms(planMs)} that qdrant.plan ${lab.qdrant.plan} takes for ${points} points`);
  if (fit.perThousand) latency.perThousandTokens = fit.perThousand.ms;
  const { perInFlightAbove } = lab[service].latency;
  if (perInFlightAbove) {
    latency.perInFlightAbove = perInFlightAbove;
    notes.push(`perInFlightAbove stays as it was: latencies alone don't show it`);
  }
  if ('leftOut' in given && given.leftOut.length > 0)
    notes.push(`left out: ${given.leftOut.join('; ')}`);
  const column = 'column' in given ? `, column ${given.column}` : '';
  const how = fitText(fit);
  const field = `${service}.latency`;
  return {
    findings: [{ field, value: latency, grade: 'measured', source: `${source}${column}`, how }],
    notes: [how, ...notes].map((note) => `${field}: ${note}`),
  };
}
