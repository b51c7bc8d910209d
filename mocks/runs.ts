import { createFaults, type Faults } from '../src/model/faults.ts';
import { completeLab, type Lab } from '../src/model/lab.ts';
import { type PlanName, plans } from '../src/model/plans.ts';
import {
  createEmbeddings,
  createHost,
  type EmbeddingsService,
  type Host,
} from '../src/model/services.ts';
import { chunkText } from '../src/model/text.ts';
import { type TierName, tiers } from '../src/model/tiers.ts';
import { createUpserts, type UpsertService } from '../src/model/upserts.ts';
import { createLedger, usualMaxBytes } from './qdrant/ledger.ts';
import { createStore, type Store } from './qdrant/store.ts';

/** The state behind one key: buckets, queue, connections and points of its own. */
export type Run = {
  name: string;
  /** Whose keys lead here: a tier is OpenAI's, a plan Qdrant's, a lab both. */
  services: ('openai' | 'qdrant')[];
  lab: Lab;
  /** Virtual seconds per real second. */
  speed: number;
  /** Virtual microseconds since the run's first timed request. */
  clockUs: (nowMs: number) => number;
  /** The same without starting the clock: zero before the first timed request. */
  peekUs: (nowMs: number) => number;
  /** Limits are per organisation and model: each model has buckets of its own. */
  embeddings: (model: string) => EmbeddingsService;
  /** The models that were asked for so far. */
  models: Map<string, EmbeddingsService>;
  upserts: UpsertService;
  faults: Faults;
  /** Virtual microseconds at which the faults in force were set. */
  faultsSetUs: number;
  host: Host;
  store: Store;
  text: (record: number, chunk: number) => string;
  /** Changes tier, plan, limits, latency or faults while the run goes on: what was used, stored and queued stays. Faults begin anew where their array is another. */
  change: (lab: Lab, nowMs: number) => void;
  seen: { embeddings: number; rateLimited: number; upserts: number; reads: number };
};

/** All runs of a mock server, by key. */
export type Runs = {
  /** The run of a key without its `sk-kneepoint-` or `kneepoint-`; undefined where no profile has that name. */
  openai: (name: string) => Run | undefined;
  qdrant: (name: string) => Run | undefined;
  /** Gives `lab-<id>` a lab and a speed of its own. False where that run has begun. */
  register: (id: string, lab: Lab, speed: number) => boolean;
  /** Whether a key of such a name has a profile; begins none. */
  knows: (service: 'openai' | 'qdrant', name: string) => boolean;
  /** The run of such a name if it has begun; begins none. */
  begun: (service: 'openai' | 'qdrant', name: string) => Run | undefined;
  all: () => Run[];
  /** Forgets all runs, or those of one name. False where there was none of it. */
  reset: (name?: string) => boolean;
};

/** Runs kept at most; the oldest is forgotten. A fresh suffix is a fresh start, so scripts make many. */
const mostRuns = 5_000;

/** `tier-3-anything` is the profile `tier-3`: the longest name that fits. */
function profileIn(name: string, profiles: string[]): string | undefined {
  const fits = profiles.filter((profile) => name === profile || name.startsWith(`${profile}-`));
  return fits.sort((a, b) => b.length - a.length)[0];
}

const isLab = (name: string): boolean => name === 'lab' || name.startsWith('lab-');

/** `maxBytes` is what the points of all runs may hold together. */
export function createRuns(lab: Lab, speed: number, maxBytes: number = usualMaxBytes): Runs {
  const ledger = createLedger(maxBytes);
  const runs = new Map<string, Run>();
  const registered = new Map<string, { lab: Lab; speed: number }>();

  const start = (name: string, services: Run['services'], ownLab: Lab, ownSpeed: number): Run => {
    let beganMs = Number.NaN;
    const models = new Map<string, EmbeddingsService>();
    return {
      name,
      services,
      lab: ownLab,
      speed: ownSpeed,
      clockUs(nowMs) {
        if (Number.isNaN(beganMs)) beganMs = nowMs;
        return Math.max(0, Math.floor((nowMs - beganMs) * ownSpeed * 1_000));
      },
      peekUs(nowMs) {
        return Number.isNaN(beganMs) ? 0 : this.clockUs(nowMs);
      },
      models,
      embeddings(model) {
        const known = models.get(model) ?? createEmbeddings(this.lab);
        models.set(model, known);
        return known;
      },
      upserts: createUpserts(ownLab),
      faults: createFaults(ownLab.seed, ownLab.faults),
      faultsSetUs: 0,
      change(next, nowMs) {
        const nowUs = this.clockUs(nowMs);
        for (const embeddings of models.values()) embeddings.switchTo(next, nowUs);
        this.upserts.switchTo(next, nowUs);
        if (next.faults !== this.lab.faults) {
          this.faults = createFaults(next.seed, next.faults, nowUs);
          this.faultsSetUs = nowUs;
        }
        this.lab = next;
      },
      host: createHost(ownLab),
      store: createStore(ledger),
      text: chunkText(ownLab.seed, ownLab.workload.bytesPerChunk),
      seen: { embeddings: 0, rateLimited: 0, upserts: 0, reads: 0 },
    };
  };
  const forget = (key: string): boolean => {
    runs.get(key)?.store.collections.clear();
    return runs.delete(key);
  };
  const keep = (name: string, make: () => Run | undefined): Run | undefined => {
    const known = runs.get(name);
    if (known) return known;
    const run = make();
    if (!run) return undefined;
    if (runs.size >= mostRuns) forget(runs.keys().next().value!);
    runs.set(name, run);
    return run;
  };
  const labRun = (name: string): Run | undefined => {
    if (!isLab(name)) return undefined;
    const own = registered.get(name.slice(4)) ?? { lab, speed };
    return start(name, ['openai', 'qdrant'], own.lab, own.speed);
  };
  const withTier = (tier: TierName): Lab =>
    completeLab({ ...lab, openai: { ...lab.openai, tier, limits: {}, bucket: 'full' } });
  const withPlan = (plan: PlanName): Lab =>
    completeLab({
      ...lab,
      qdrant: { timeoutMs: lab.qdrant.timeoutMs, plan },
    });

  return {
    openai: (name) =>
      keep(name, () => {
        const tier = profileIn(name, Object.keys(tiers));
        return tier ? start(name, ['openai'], withTier(tier as TierName), speed) : labRun(name);
      }),
    qdrant: (name) =>
      isLab(name)
        ? keep(name, () => labRun(name))
        : keep(`qdrant ${name}`, () => {
            const plan = profileIn(name, Object.keys(plans));
            return plan ? start(name, ['qdrant'], withPlan(plan as PlanName), speed) : undefined;
          }),
    register(id, ownLab, ownSpeed) {
      if (runs.has(`lab-${id}`)) return false;
      if (registered.size >= mostRuns) registered.delete(registered.keys().next().value!);
      registered.set(id, { lab: ownLab, speed: ownSpeed });
      return true;
    },
    knows: (service, name) =>
      isLab(name) ||
      profileIn(name, Object.keys(service === 'openai' ? tiers : plans)) !== undefined,
    begun(service, name) {
      const run = runs.get(service === 'openai' || isLab(name) ? name : `qdrant ${name}`);
      return run?.services.includes(service) ? run : undefined;
    },
    all: () => [...runs.values()],
    reset(name) {
      if (name !== undefined) return [name, `qdrant ${name}`].map(forget).includes(true);
      const any = runs.size > 0;
      for (const key of [...runs.keys()]) forget(key);
      registered.clear();
      return any;
    },
  };
}
