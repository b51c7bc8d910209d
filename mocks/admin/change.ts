import type { Lab } from '../../src/model/lab.ts';
import type { Run, Runs } from '../runs.ts';

/** What can't be changed, in one line that names the field. */
export class BadChange extends Error {
  override name = 'BadChange';
}

type Given = Record<string, unknown>;
type ServiceName = 'openai' | 'qdrant';

const changeable = ['openai', 'qdrant', 'faults', 'expiresAfterSeconds'];

const isObject = (value: unknown): value is Given =>
  value !== null && typeof value === 'object' && !Array.isArray(value);

/** Whose requests a fault strikes; what is none of these is found by the check of the lab. */
const serviceOf: Record<string, ServiceName> = {
  embeddings: 'openai',
  openai: 'openai',
  upsert: 'qdrant',
  qdrant: 'qdrant',
};

/** The settings of a service as given over those in force. A new tier or plan brings its own figures. */
const merged = {
  openai(lab: Lab, given: Given): Given {
    const limits = isObject(given.limits) ? given.limits : {};
    return {
      ...lab.openai,
      ...given,
      limits: given.tier === undefined ? { ...lab.openai.limits, ...limits } : limits,
    };
  },
  qdrant(lab: Lab, given: Given): Given {
    if (given.plan === undefined) return { ...lab.qdrant, ...given };
    const { latency, slots, pointsPerSecond, indexPointsPerSecond, memoryPoints, ...rest } =
      lab.qdrant;
    return { ...rest, ...given };
  },
};

/** Clients from outside bring their own batches: the lab's must not forbid a small limit. */
const smallest = { records: 1, chunksPerRecord: 1, bytesPerChunk: 1, batchSize: 1 };

function faultsIn({ faults, expiresAfterSeconds: seconds }: Given): unknown {
  if (seconds === undefined) return faults;
  if (typeof seconds !== 'number' || !(seconds > 0 && seconds <= 1e9))
    throw new BadChange(
      `expiresAfterSeconds: must be over 0 and at most 1000000000 virtual seconds, got ${JSON.stringify(seconds)}`,
    );
  if (!Array.isArray(faults))
    throw new BadChange('expiresAfterSeconds: is about faults; give them too');
  return faults.map((fault: unknown) => {
    if (!isObject(fault)) return fault;
    const own = typeof fault.untilSeconds === 'number' ? fault.untilSeconds : Infinity;
    return { ...fault, untilSeconds: Math.min(own, seconds) };
  });
}

function labAfter(lab: Lab, given: Given, checkLab: (given: unknown) => Lab): Lab {
  const next: Given = { ...lab, workload: { ...lab.workload, ...smallest } };
  for (const service of ['openai', 'qdrant'] as const) {
    const settings = given[service];
    if (settings === undefined) continue;
    if (!isObject(settings)) throw new BadChange(`${service}: must be an object of settings`);
    next[service] = merged[service](lab, settings);
  }
  if (given.faults !== undefined) next.faults = faultsIn(given);
  const checked = checkLab(next);
  // The same array tells the run that its faults go on.
  const faults = given.faults === undefined ? lab.faults : checked.faults;
  return { ...checked, workload: lab.workload, faults };
}

/** The runs that a change is about, begun where they have not; none where no profile has the name. */
function targets(runs: Runs, name: string, given: Given): Set<Run> {
  const found = new Set<Run>();
  const known = (['openai', 'qdrant'] as const).filter((service) => runs.knows(service, name));
  if (known.length === 0) return found;
  const faults = Array.isArray(given.faults) ? given.faults : [];
  for (const service of ['openai', 'qdrant'] as const) {
    const isKnown = known.includes(service);
    if (given[service] !== undefined && !isKnown)
      throw new BadChange(`${service}: ${name} is no profile of this service`);
    const struck = faults.findIndex(
      (fault) => isObject(fault) && serviceOf[String(fault.on)] === service,
    );
    if (struck >= 0 && !isKnown)
      throw new BadChange(`faults.${struck}.on: ${name} is no profile of ${service}`);
    // Faults are replaced on both sides of a name; a change of nothing only begins what has the name.
    const other = service === 'openai' ? 'qdrant' : 'openai';
    const isMeant = given.faults !== undefined || given[other] === undefined;
    if (isKnown && (given[service] !== undefined || isMeant)) found.add(runs[service](name)!);
  }
  return found;
}

/**
 * Changes what is in force for a name while its clients go on: settings of `openai` and `qdrant`, and
 * `faults`, whose times count from now. False where no profile has the name. Throws BadChange, and what
 * `checkLab` throws, before anything is changed.
 */
export function changeProfile(
  runs: Runs,
  checkLab: (given: unknown) => Lab,
  name: string,
  given: unknown,
  nowMs: number,
): boolean {
  if (!isObject(given))
    throw new BadChange('the body: must be an object of openai, qdrant, faults');
  const unknown = Object.keys(given).find((key) => !changeable.includes(key));
  if (unknown !== undefined)
    throw new BadChange(`${unknown}: can't be changed; known are ${changeable.join(', ')}`);
  if (given.faults === undefined && given.expiresAfterSeconds !== undefined) faultsIn(given);
  const found = targets(runs, name, given);
  if (found.size === 0) return false;
  const changes = [...found].map((run) => [run, labAfter(run.lab, given, checkLab)] as const);
  for (const [run, lab] of changes) run.change(lab, nowMs);
  return true;
}
