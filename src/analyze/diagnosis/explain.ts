import type { Lab } from '../../model/lab.ts';
import type { Bottleneck, Cell } from '../../model/sweep.ts';
import { createWorkload } from '../../model/workload.ts';
import { exactly, figure, percent, workersText } from '../wording.ts';
import { type Judged, marginal } from './absorption.ts';
import { admitted, steadyShare, visibleKnee } from './burst.ts';
import type { Diagnosis } from './diagnose.ts';
import { ranOutOfMemory } from './knee.ts';
import { rejections } from './observations.ts';

/** How sentences call a resource, and the verb that follows. */
const called: Record<Bottleneck, [name: string, verb: string]> = {
  'openai-rpm': ["OpenAI's requests per minute", 'bind'],
  'openai-tpm': ["OpenAI's tokens per minute", 'bind'],
  'openai-rpd': ["OpenAI's requests per day", 'bind'],
  qdrant: ['Qdrant', 'binds'],
  'mysql-pool': ['The MySQL pool', 'binds'],
  memory: ['Memory', 'binds'],
  'work-units': ['The number of claims', 'binds'],
  'client-cpu': ["The workers' CPU", 'binds'],
  none: ['Nothing', 'binds'],
  undetermined: ['Something', 'binds'],
};

/** A resource within a sentence. */
export const inSentence = (resource: Bottleneck): string => {
  const [name] = called[resource];
  return name.startsWith('The ') ? `the ${name.slice(4)}` : name;
};

const bucketKind = { 'openai-rpm': 'RPM', 'openai-tpm': 'TPM', 'openai-rpd': 'RPD' } as const;

/** How the waiting of the first saturated cell looks, by resource. */
function sign(diagnosis: Diagnosis, cells: Cell[], { seen, waiting }: Judged): string {
  const { bottleneck, credits, saturation } = diagnosis;
  const cellAt = (workers: number) => cells.find((cell) => cell.workers === workers);
  const base = cellAt(saturation.judged[0]!.seen.workers)!;
  const here = cellAt(seen.workers)!;
  const grown = (now: number, before: number, what: string) =>
    base.workers < seen.workers && now > 1.15 * before
      ? `${what} takes ${figure(now)} ms at the median instead of ${figure(before)} at ${workersText(base.workers)}`
      : base.workers < seen.workers
        ? `${what} takes as long as with fewer workers (${figure(now)} ms at the median)`
        : `${what} takes ${figure(now)} ms at the median`;
  switch (bottleneck) {
    case 'openai-rpm':
    case 'openai-tpm':
    case 'openai-rpd': {
      const credit = credits.find(({ resource }) => resource === bottleneck);
      const { rpm, tpm, rpd } = seen.rateLimited;
      const own = { 'openai-rpm': rpm, 'openai-tpm': tpm, 'openai-rpd': rpd }[bottleneck];
      const all = rejections(seen);
      const used = credit ? admitted(seen, credit) / credit.perSecond : 0;
      const share =
        credit && credit.initial > 0 && used > 1
          ? ', all of the limit is used and its full bucket on top'
          : credit
            ? `, ${percent(used)} of the limit is used`
            : '';
      const latency =
        here.openai.succeeded > 0 && base.openai.succeeded > 0
          ? grown(here.openai.latencyMs.p50, base.openai.latencyMs.p50, 'an embedding')
          : 'no embedding came through';
      return `${figure(waiting[bottleneck])} of them only wait after 429s (${percent(own / Math.max(1, all))} of these name ${bucketKind[bottleneck]})${share}, and ${latency}`;
    }
    case 'qdrant': {
      const upserts = (count: number) => `${figure(count)} upsert${count === 1 ? '' : 's'}`;
      const trouble = [
        ...(seen.timeouts > 0 ? [`, and ${upserts(seen.timeouts)} timed out`] : []),
        ...(seen.upsertErrors > 0 ? [`, and ${upserts(seen.upsertErrors)} failed`] : []),
      ].join('');
      const latency =
        here.qdrant.succeeded > 0 && base.qdrant.succeeded > 0
          ? grown(here.qdrant.latencyMs.p50, base.qdrant.latencyMs.p50, 'one')
          : 'none came through';
      return `${figure(waiting.qdrant)} of them only wait for upserts: ${latency}${trouble}`;
    }
    case 'mysql-pool':
      return `${figure(waiting['mysql-pool'])} of them only wait for a connection${here.mysql.poolWaitMs.p95 > 0 ? ` (${figure(here.mysql.poolWaitMs.p95)} ms at p95)` : ''}`;
    case 'client-cpu':
      return `${figure(waiting['client-cpu'])} of them only wait for a core`;
    default:
      return `${figure(Math.max(0, seen.workers - seen.rate * diagnosis.demand.total))} of them bring nothing`;
  }
}

/** What binds, and how we know. */
function whatBinds(lab: Lab, cells: Cell[], diagnosis: Diagnosis): string {
  const { bottleneck, rung, saturation, unseen, credits, knee, mostWorkers } = diagnosis;
  const [name, verb] = called[bottleneck];
  const { clear, judged } = saturation;
  if (bottleneck === 'none') {
    const last = judged.at(-1);
    const useful = last ? (last.seen.rate * diagnosis.demand.total) / last.seen.workers : 1;
    return `Nothing binds up to ${workersText(mostWorkers)}: throughput grows with the workers, of whose time ${percent(Math.min(1, useful))} is useful at the largest count.`;
  }
  const full = `${rung!.why}, full at ${workersText(knee!.at)}`;
  if (bottleneck === 'memory') {
    const most = cells.at(-1)!;
    return `Memory binds: ${full}; ${workersText(most.workers)} hold ${figure(most.memory.megabytes)} MB, ${percent(most.memory.shareOfHost)} of the host.`;
  }
  if (bottleneck === 'work-units') {
    const { claims } = createWorkload(lab.workload);
    const idle = judged.find(({ seen }) => seen.workers > claims);
    const seenIdle = idle
      ? `; at ${workersText(idle.seen.workers)}, ${figure(idle.waiting['work-units'])} of them have none`
      : '';
    return `Claims are too few: ${exactly(lab.workload.records)} records are ${exactly(claims)} claim${claims === 1 ? '' : 's'} of work${seenIdle}.`;
  }
  const credit = credits.find(({ resource }) => resource === bottleneck);
  if (unseen && credit && credit.initial > 0) {
    const share = (lab.workload.records * credit.perRecord) / credit.initial;
    const why =
      share < 1
        ? `all records together take ${percent(share)} of it`
        : `it carried ${percent(1 / share)} of the work`;
    return `${name} ${verb} in steady state: ${full}. This run could not show it: its bucket starts full, and ${why}.`;
  }
  if (diagnosis.seen !== bottleneck || !clear)
    return `${name} ${verb} by the lab's own figures: ${full}. No cell shows it yet.`;
  return `${name} ${verb} (${rung!.why}): at ${workersText(clear.seen.workers)}, ${sign(diagnosis, cells, clear)}.`;
}

/** Why more workers can be worse than fewer. */
function whyItFalls(lab: Lab, { seen, waiting }: Judged): string {
  const forLimits = waiting['openai-rpm'] + waiting['openai-tpm'] + waiting['openai-rpd'];
  if (waiting.qdrant >= forLimits) return 'late and repeated upserts cost time too';
  if (seen.recordsFailed > 0.2 * seen.processed * seen.seconds)
    return 'the client gives up too soon, and what a lost record had cost is lost with it';
  return lab.openai.rejectionCost === 'none'
    ? 'retries come later than the limit would allow'
    : 'refused requests cost quota too';
}

/** What happens beyond the knee. */
function beyond(lab: Lab, cells: Cell[], diagnosis: Diagnosis): string {
  const { bottleneck, knee, saturation, demand, unseen, credits, rungs, mostWorkers } = diagnosis;
  if (bottleneck === 'none') {
    const nearest = rungs.find((rung) => !diagnosis.refuted.includes(rung));
    return nearest
      ? `More workers than were tried meet ${inSentence(nearest.resource)} first, at ${workersText(nearest.knee)} by the lab's figures (${nearest.why}).`
      : 'The lab names no resource that more workers would fill.';
  }
  const at = workersText(knee!.at);
  const { judged, saturated } = saturation;
  if (bottleneck === 'memory') {
    const over = cells.find(({ feasible }) => !feasible);
    if (over && ranOutOfMemory(over))
      return `Beyond ${at} memory runs over 80 % of the host; ${workersText(over.workers)} ran out of it.`;
    return over
      ? `Beyond ${at} memory runs over 80 % of the host; ${workersText(over.workers)} do not fit at all (${figure(over.memory.megabytes)} MB) and were not run.`
      : `Beyond ${at} memory runs over 80 % of the host, and what else runs there may be swapped or killed.`;
  }
  if (bottleneck === 'work-units')
    return `Beyond ${at} the others have nothing to do: they add no throughput, however many there are.`;
  const credit = credits.find(({ resource }) => resource === bottleneck);
  if (unseen && credit) {
    const workers = Math.max(mostWorkers, 1);
    const records = credit.initial / credit.perRecord;
    const demandRate = workers / demand.total;
    const room = credit.perSecond / credit.perRecord;
    const burst = demandRate > room ? credit.initial / credit.perRecord / (demandRate - room) : 0;
    return credit.initial > 0 && burst > 0
      ? `Beyond ${at} speed is borrowed: the full bucket holds ${figure(records)} records, ${workersText(workers)} empty it in ${figure(burst)} s, and from then on all counts bring ${figure(room)} records/s.`
      : `Beyond ${at} all counts bring ${figure(room)} records/s; the others wait.`;
  }
  const last = judged.at(-1);
  if (!last || !saturated || last.seen.workers <= knee!.at)
    return `Beyond ${at} more of them bring no more throughput; no cell was run there.`;
  const best = Math.max(...judged.map(({ seen }) => seen.rate));
  const lost =
    last.seen.recordsFailed > 0 ? `, and ${figure(last.seen.recordsFailed)} records are lost` : '';
  if (last.seen.rate < 0.8 * best)
    return `Beyond ${at} throughput falls, from ${figure(best)} records/s at best to ${figure(last.seen.rate)} at ${workersText(last.seen.workers)}${lost}: ${whyItFalls(lab, last)}.`;
  const before = judged.findLast(({ seen }) => seen.workers < last.seen.workers);
  const added =
    before && before.seen.workers >= saturated.seen.workers
      ? marginal(before, last, demand)
      : undefined;
  const soft = added !== undefined && added.useful > 0.2;
  const share = added
    ? `; of each worker added from ${before!.seen.workers} to ${last.seen.workers}, ${percent(Math.max(0, Math.min(1, 1 - added.useful)))} only waits`
    : '';
  return `Beyond ${at} throughput ${soft ? 'grows ever more slowly: it is' : 'stays at about'} ${figure(last.seen.rate)} records/s at ${workersText(last.seen.workers)}${share}${lost}.`;
}

/** What would bind next. */
function thenWhat({ bottleneck, binding, rival, knee, mostWorkers }: Diagnosis): string {
  if (bottleneck === 'none')
    return `${workersText(mostWorkers)} is as far as this run can speak: a larger matrix would find the knee.`;
  if (rival) {
    const gain = Math.max(0, Math.max(rival.knee, knee!.at) / Math.min(rival.knee, knee!.at) - 1);
    return `${called[rival.resource][0]} ${called[rival.resource][1]} at nearly the same count, ${workersText(rival.knee)} (${rival.why}): lifting only one of the two gains at most ${percent(gain)}.`;
  }
  const next = binding.find(({ resource }) => resource !== bottleneck);
  if (!next) return `With it lifted, nothing else binds up to ${workersText(mostWorkers)}.`;
  const gain = next.knee / knee!.at - 1;
  return `With it lifted, ${inSentence(next.resource)} ${called[next.resource][1]} next, at ${workersText(next.knee)} (${next.why})${gain > 0 ? `: ${percent(gain)} more, and no further` : ''}.`;
}

/** Three plain sentences: what binds and how we know, what happens beyond the knee, what would bind next. */
export const explain = (lab: Lab, cells: Cell[], diagnosis: Diagnosis): string[] =>
  diagnosis.bottleneck === 'undetermined'
    ? diagnosis.warnings.map(({ message }) => message)
    : [whatBinds(lab, cells, diagnosis), beyond(lab, cells, diagnosis), thenWhat(diagnosis)];

/** Where the knee comes from. */
export function kneeEvidence({
  knee,
  byCells,
  byModel,
  source,
  rung,
  credits,
  saturation,
  unseen,
}: Diagnosis): string[] {
  if (!knee || !rung) return [];
  const lines: string[] = [];
  const interval = byCells
    ? `${figure(byCells.at)} [${byCells.interval.map(figure).join(', ')}]`
    : '';
  if (source === 'both')
    lines.push(`Knee by the formula ${figure(byModel!)}; by the cells ${interval}: they agree.`);
  else if (source === 'cells' && byCells)
    lines.push(
      `Knee by the cells: ${interval}${byModel === undefined ? '' : `; the formula says ${figure(byModel)}, which the cells rule out`}.`,
    );
  else if (source === 'model' && rung.resource !== 'memory' && rung.resource !== 'work-units')
    lines.push(`Knee by the formula alone: the cells do not bracket it.`);
  const credit = credits.find(({ resource }) => resource === rung.resource);
  if (credit && credit.initial > 0 && !unseen) {
    const records = Math.max(...saturation.judged.map(({ seen }) => seen.processed * seen.seconds));
    const given = 1 - steadyShare(credit, records);
    if (given > 0.03 && given < 1)
      lines.push(
        `This run is not the steady state: a bucket that started full gave ${percent(given)} of the work, so its own knee is at ${workersText(visibleKnee(credit, knee.at, records))}.`,
      );
  }
  const tail = saturation.judged.findLast(
    ({ waiting, seen }) => waiting['work-units'] > 0.1 * seen.workers,
  );
  if (tail && rung.resource !== 'work-units')
    lines.push(
      `The end of the run counts against larger counts: at ${workersText(tail.seen.workers)}, ${figure(tail.waiting['work-units'])} of them had no claim left on average.`,
    );
  return lines;
}
