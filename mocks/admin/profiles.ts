import type { Lab } from '../../src/model/lab.ts';
import type { Standing } from '../../src/model/limiter.ts';
import type { UpsertState } from '../../src/model/upserts.ts';
import type { Observations } from '../observations.ts';
import type { Run, Runs } from '../runs.ts';
import type { StatisticsView } from '../statistics.ts';

/** One line of the list. What is of the other service is null. */
export type Summary = {
  name: string;
  services: Run['services'];
  tier: string | null;
  plan: string | null;
  limits: Lab['openai']['limits'] | null;
  speed: number;
} & Run['seen'];

/** A fault that may still strike. */
export type FaultView = Lab['faults'][number] & {
  /** Virtual seconds until it vanishes; null where it stays. */
  endsInSeconds: number | null;
};

type Side = {
  /** Virtual seconds per real second. */
  speed: number;
  faults: FaultView[];
  statistics: StatisticsView;
};

/** All of one name. Both sides where a tier and a plan share the name, or where it is a lab's. */
export type ProfileView = {
  name: string;
  openai:
    | (Side & {
        settings: Lab['openai'];
        /** The buckets of each model that was asked for; times in virtual milliseconds. */
        models: { model: string; buckets: Standing[] }[];
      })
    | null;
  qdrant: (Side & { settings: Lab['qdrant']; upserts: UpsertState }) | null;
};

export function summaries(runs: Runs): Summary[] {
  return runs.all().map(({ name, services, lab, speed, seen }) => ({
    name,
    services,
    tier: services.includes('openai') ? lab.openai.tier : null,
    plan: services.includes('qdrant') ? lab.qdrant.plan : null,
    limits: services.includes('openai') ? lab.openai.limits : null,
    speed,
    ...seen,
  }));
}

function faultsOf({ lab, faultsSetUs }: Run, nowUs: number): FaultView[] {
  const seconds = (nowUs - faultsSetUs) / 1e6;
  return lab.faults
    .filter(({ untilSeconds = Infinity }) => seconds < untilSeconds)
    .map((fault) => ({
      ...fault,
      endsInSeconds: fault.untilSeconds === undefined ? null : fault.untilSeconds - seconds,
    }));
}

/** What is known of a name; undefined where none of its runs has begun. */
export function profileView(
  runs: Runs,
  { statisticsOf }: Observations,
  name: string,
  nowMs: number,
): ProfileView | undefined {
  const [openai, qdrant] = [runs.begun('openai', name), runs.begun('qdrant', name)];
  if (!openai && !qdrant) return undefined;
  const side = (run: Run, service: 'openai' | 'qdrant'): Side => ({
    speed: run.speed,
    faults: faultsOf(run, run.peekUs(nowMs)),
    statistics: statisticsOf(service, run).view(),
  });
  return {
    name,
    openai: openai
      ? {
          ...side(openai, 'openai'),
          settings: openai.lab.openai,
          models: [...openai.models].map(([model, { limiter }]) => ({
            model,
            buckets: limiter.standings(openai.peekUs(nowMs)),
          })),
        }
      : null,
    qdrant: qdrant
      ? {
          ...side(qdrant, 'qdrant'),
          settings: qdrant.lab.qdrant,
          upserts: qdrant.upserts.state(qdrant.peekUs(nowMs)),
        }
      : null,
  };
}
