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
import { createStore, type Store } from './qdrant/store.ts';

/** The state behind one key: buckets, queue, connections and points of its own. */
export type Run = {
  name: string;
  lab: Lab;
  /** Virtual seconds per real second. */
  speed: number;
  /** Virtual microseconds since the run's first timed request. */
  clockUs: (nowMs: number) => number;
  /** Limits are per organisation and model: each model has buckets of its own. */
  embeddings: (model: string) => EmbeddingsService;
  upserts: UpsertService;
  faults: Faults;
  host: Host;
  store: Store;
  text: (record: number, chunk: number) => string;
  /** Changes tier, plan, limits, latency or faults while the run goes on: what was used, stored and queued stays. */
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
  all: () => Run[];
  reset: () => void;
};

/** Runs kept at most; the oldest is forgotten. A fresh suffix is a fresh start, so scripts make many. */
const mostRuns = 5_000;

/** `tier-3-anything` is the profile `tier-3`: the longest name that fits. */
function profileIn(name: string, profiles: string[]): string | undefined {
  const fits = profiles.filter((profile) => name === profile || name.startsWith(`${profile}-`));
  return fits.sort((a, b) => b.length - a.length)[0];
}

export function createRuns(lab: Lab, speed: number): Runs {
  const runs = new Map<string, Run>();
  const registered = new Map<string, { lab: Lab; speed: number }>();

  const start = (name: string, ownLab: Lab, ownSpeed: number): Run => {
    let beganMs = Number.NaN;
    const models = new Map<string, EmbeddingsService>();
    return {
      name,
      lab: ownLab,
      speed: ownSpeed,
      clockUs(nowMs) {
        if (Number.isNaN(beganMs)) beganMs = nowMs;
        return Math.max(0, Math.floor((nowMs - beganMs) * ownSpeed * 1_000));
      },
      embeddings(model) {
        const known = models.get(model) ?? createEmbeddings(this.lab);
        models.set(model, known);
        return known;
      },
      upserts: createUpserts(ownLab),
      faults: createFaults(ownLab.seed, ownLab.faults),
      change(next, nowMs) {
        const nowUs = this.clockUs(nowMs);
        for (const embeddings of models.values()) embeddings.switchTo(next, nowUs);
        this.upserts.switchTo(next, nowUs);
        if (JSON.stringify(next.faults) !== JSON.stringify(this.lab.faults))
          this.faults = createFaults(next.seed, next.faults, nowUs);
        this.lab = next;
      },
      host: createHost(ownLab),
      store: createStore(),
      text: chunkText(ownLab.seed, ownLab.workload.bytesPerChunk),
      seen: { embeddings: 0, rateLimited: 0, upserts: 0, reads: 0 },
    };
  };
  const keep = (name: string, make: () => Run | undefined): Run | undefined => {
    const known = runs.get(name);
    if (known) return known;
    const run = make();
    if (!run) return undefined;
    if (runs.size >= mostRuns) runs.delete(runs.keys().next().value!);
    runs.set(name, run);
    return run;
  };
  const labRun = (name: string): Run | undefined => {
    if (name !== 'lab' && !name.startsWith('lab-')) return undefined;
    const own = registered.get(name.slice(4)) ?? { lab, speed };
    return start(name, own.lab, own.speed);
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
        return tier ? start(name, withTier(tier as TierName), speed) : labRun(name);
      }),
    qdrant: (name) =>
      name === 'lab' || name.startsWith('lab-')
        ? keep(name, () => labRun(name))
        : keep(`qdrant ${name}`, () => {
            const plan = profileIn(name, Object.keys(plans));
            return plan ? start(name, withPlan(plan as PlanName), speed) : undefined;
          }),
    register(id, ownLab, ownSpeed) {
      if (runs.has(`lab-${id}`)) return false;
      if (registered.size >= mostRuns) registered.delete(registered.keys().next().value!);
      registered.set(id, { lab: ownLab, speed: ownSpeed });
      return true;
    },
    all: () => [...runs.values()],
    reset() {
      runs.clear();
      registered.clear();
    },
  };
}
