import type { Lab } from '../../model/lab.ts';
import { demandSeconds } from '../../model/services.ts';
import type { Cell, WorkerState } from '../../model/sweep.ts';
import { createWorkload } from '../../model/workload.ts';

const states: WorkerState[] = ['read', 'compute', 'embed', 'qdrant', 'backoff', 'idle'];

/** One worker count, over all its repeats: what the diagnosis reads from the cells. */
export type Observation = {
  workers: number;
  /** Records per second that arrived completely, one for each repeat. */
  rates: number[];
  rate: number;
  /** Records per second that were worked on, whether they arrived or not. */
  processed: number;
  seconds: number;
  /** Mean number of workers in each state. */
  absorbed: Record<WorkerState, number>;
  rateLimited: { rpm: number; tpm: number; rpd: number };
  /** Embeddings requests per second: answered with vectors, and all. */
  embedded: number;
  embedAttempts: number;
  tokens: number;
  upserted: number;
  timeouts: number;
  upsertErrors: number;
  embedErrors: number;
  recordsFailed: number;
  /** Whether it was measured from outside: `idle` is then whatever was not seen. */
  fromOutside: boolean;
};

const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Cells that ran, by worker count; cells of the same count are repeats of each other. Rising. */
export function observationsOf(cells: Cell[]): Observation[] {
  const ran = cells.filter(({ feasible, seconds }) => feasible && seconds > 0);
  const counts = [...new Set(ran.map(({ workers }) => workers))].sort((a, b) => a - b);
  return counts.map((workers) => {
    const repeats = ran.filter((cell) => cell.workers === workers);
    const of = (value: (cell: Cell) => number) => mean(repeats.map(value));
    const perSecond = (count: (cell: Cell) => number) => of((cell) => count(cell) / cell.seconds);
    return {
      workers,
      rates: repeats.map(({ recordsPerSecond }) => recordsPerSecond),
      rate: of(({ recordsPerSecond }) => recordsPerSecond),
      processed: perSecond(({ completeness }) => completeness.records),
      seconds: of(({ seconds }) => seconds),
      absorbed: Object.fromEntries(
        states.map((state) => [state, of(({ absorbed }) => absorbed[state])]),
      ) as Record<WorkerState, number>,
      rateLimited: {
        rpm: of(({ openai }) => openai.rateLimited.rpm),
        tpm: of(({ openai }) => openai.rateLimited.tpm),
        rpd: of(({ openai }) => openai.rateLimited.rpd),
      },
      embedded: perSecond(({ openai }) => openai.succeeded),
      embedAttempts: perSecond(({ openai }) => openai.requests),
      tokens: perSecond(({ openai }) => openai.chargedTokens),
      upserted: perSecond(({ qdrant }) => qdrant.succeeded),
      timeouts: of(({ qdrant }) => qdrant.timeouts),
      upsertErrors: of(({ qdrant }) => qdrant.errors),
      embedErrors: of(({ openai }) => openai.errors),
      recordsFailed: of(({ completeness }) => completeness.recordsFailed),
      fromOutside: repeats.some(({ command }) => command !== undefined),
    };
  });
}

/** Rejections of any limit. */
export const rejections = ({ rateLimited: { rpm, tpm, rpd } }: Observation): number =>
  rpm + tpm + rpd;

/** What one record takes of everything, when nothing makes its worker wait. */
export type Demand = {
  /** Seconds of one worker. `backoff` is what failures cost at every worker count alike. */
  read: number;
  compute: number;
  embed: number;
  qdrant: number;
  backoff: number;
  total: number;
  /** Tokens charged and embeddings requests made for it. */
  tokens: number;
  requests: number;
};

/** What the lab says of a record. */
export function labDemand(lab: Lab): Demand {
  const plan = createWorkload(lab.workload);
  const claim = plan.claim(0);
  const batches = plan.batches(claim);
  let tokens = 0;
  for (let index = 0; index < batches; index++) tokens += plan.batch(claim, index).tokens;
  return {
    ...demandSeconds(lab),
    backoff: 0,
    tokens: tokens / claim.records,
    requests: batches / claim.records,
  };
}

/** Values that differ by less are the same with noise on them. */
const withinNoise = 0.08;
/** Share of lost records from which on a cell does not show what a record takes. */
const mostlyLost = 0.2;
/** From so much above the lab's figure on, a first cell of several workers shows waiting, not work. */
const surelyWaiting = 1.35;

/**
 * The value where nothing waits, from those of rising worker counts: the first and all that are like
 * it. Where a later one is clearly less, the first was disturbed, and the least counts.
 */
function settledValue(values: number[]): number {
  const known = values.filter((value) => Number.isFinite(value));
  const least = Math.min(...known);
  const first = known[0] ?? Number.NaN;
  const reference = least < first * (1 - withinNoise) ? least : first;
  return mean(known.filter((value) => Math.abs(value - reference) <= withinNoise * reference));
}

/**
 * What a record takes by the cells themselves: workers in a state divided by throughput (Little's law,
 * the utilization law of Denning & Buzen 1978), where it is least. The lab's figures stand in only
 * where no single worker was run and every cell may wait.
 */
export function demandOf(lab: Lab, observations: Observation[]): Demand {
  const model = labDemand(lab);
  const whole = observations.filter(({ rate }) => rate > 0);
  const first = whole[0];
  if (!first) return model;
  // Records that were lost in the middle made fewer requests than they should have.
  const complete = whole.filter(({ recordsFailed }) => recordsFailed === 0);
  const requests =
    complete.length > 0
      ? mean(complete.map(({ embedded, rate }) => embedded / rate))
      : model.requests;
  const sound = complete.length > 0 ? complete : whole;
  const lost = ({ recordsFailed, processed, seconds }: Observation) =>
    recordsFailed / (processed * seconds);
  if (sound.every((seen) => lost(seen) > mostlyLost)) return model;
  const tokens =
    mean(sound.map((seen) => (seen.embedded > 0 ? seen.tokens / seen.embedded : 0))) * requests;
  // Where the first count is already on the plateau, whatever takes longer with more workers has its
  // queue in it from the start.
  const [second, last] = [sound[1], sound.at(-1)!];
  const flat =
    second !== undefined && second.rate / first.rate < 1 + (second.workers / first.workers - 1) / 4;
  const settle = (value: (seen: Observation) => number, assumed: number): number => {
    const measured = settledValue(sound.map(value));
    if (first.workers === 1) return measured;
    const queues = flat && value(last) > (1 + withinNoise) * value(sound[0]!);
    return queues || measured > surelyWaiting * assumed ? Math.min(measured, assumed) : measured;
  };
  const read = settle(({ absorbed, processed }) => absorbed.read / processed, model.read);
  const compute = settle(({ absorbed, processed }) => absorbed.compute / processed, model.compute);
  const embed = settle(
    ({ absorbed, embedded }) => (absorbed.embed / embedded) * requests,
    model.embed,
  );
  const qdrant = settle(
    ({ absorbed, upserted }) => (absorbed.qdrant / upserted) * requests,
    model.qdrant,
  );
  const backoff = steadyBackoff(lab, whole);
  const total = read + compute + embed + qdrant + backoff;
  return { read, compute, embed, qdrant, backoff, total, tokens, requests };
}

/**
 * Seconds a record that waits after failures cost without holding anybody up: what there is of them
 * at the first worker count while throughput still grows to the second. 429s are a limit's, and no
 * such failures, unless the lab injects them.
 */
function steadyBackoff(lab: Lab, [first, second]: Observation[]): number {
  if (!first || !second || first.absorbed.backoff === 0) return 0;
  const perWorker = ({ rate, workers }: Observation) => rate / workers;
  if (perWorker(second) < 0.9 * perWorker(first)) return 0;
  const failures = first.embedErrors + first.upsertErrors + first.timeouts;
  const injected = lab.faults.some(({ kind, status }) => kind === 'status' && status === 429);
  const limited = injected ? 0 : rejections(first);
  const share = injected ? 1 : failures / Math.max(1, failures + limited);
  return (first.absorbed.backoff / first.rate) * share;
}
