/** What a Qdrant plan does with writes: slots, a bounded queue, indexing and memory. */
import type { Lab } from './lab.ts';
import { type DrawKey, streams, uniform } from './random.ts';
import { createStation } from './station.ts';

/** One write: the points it carries, and how many of them were not stored before. */
export type Write = { points: number; added: number };

/** What becomes of a write. A client that waits is answered at `appliedUs`, another at `acknowledgedUs`. */
export type WriteTicket = {
  acknowledgedUs: number;
  appliedUs: number;
  /** `restarting`: the server is down or was killed by this write, and nothing of it is stored. */
  refusal: 'restarting' | undefined;
};

export type UpsertState = {
  points: number;
  /** Points that wait for the index. */
  backlog: number;
  yellow: boolean;
  /** Operations that were taken and are not yet applied. */
  queued: number;
  restarting: boolean;
};

export type UpsertService = {
  write: (write: Write, key: DrawKey, nowUs: number) => WriteTicket;
  /** Points were deleted: their memory is free again. */
  remove: (points: number) => void;
  state: (nowUs: number) => UpsertState;
  /** Changes plan or latency while keeping what is stored and queued. */
  switchTo: (lab: Lab, nowUs: number) => void;
};

/** Over so much of its memory a server slows down before it is killed (assumed). */
const memoryPressure = { from: 0.9, slowdown: 2 };

/** Index of the first of the rising `times` that is after `timeUs`. */
function firstAfter(times: number[], timeUs: number): number {
  let [low, high] = [0, times.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (times[middle]! <= timeUs) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function createUpserts(lab: Lab): UpsertService {
  let { seed, qdrant } = lab;
  const stationOf = () => {
    // All slots together apply `pointsPerSecond`; a rate without slots is one slot.
    const slots = qdrant.slots || 1;
    const slotUsPerUnit = qdrant.pointsPerSecond > 0 ? (slots * 1e6) / qdrant.pointsPerSecond : 0;
    return createStation({ latency: qdrant.latency, slots, slotUsPerUnit });
  };
  let station = stationOf();
  let [points, backlog, atUs, downUntilUs] = [0, 0, 0, 0];
  /** Ends of the operations under way, rising: the one that frees a place is then found at once. */
  const appliedAtUs: number[] = [];

  const index = (nowUs: number) => {
    const elapsedUs = Math.max(0, nowUs - atUs);
    atUs = Math.max(atUs, nowUs);
    const rate = qdrant.indexPointsPerSecond;
    backlog = rate === 0 ? 0 : Math.max(0, backlog - (elapsedUs * rate) / 1e6);
    if (appliedAtUs.length > 0) appliedAtUs.splice(0, firstAfter(appliedAtUs, nowUs));
  };
  const isYellow = () => backlog > qdrant.indexingThreshold;

  return {
    write(write, key, nowUs) {
      index(nowUs);
      const u = () => uniform(seed, streams.upsert, key);
      if (nowUs < downUntilUs)
        return { acknowledgedUs: nowUs, appliedUs: nowUs, refusal: 'restarting' };
      const room = qdrant.memoryPoints || Infinity;
      if (points + write.added > room) {
        downUntilUs = nowUs + qdrant.restartSeconds * 1e6;
        return { acknowledgedUs: nowUs, appliedUs: nowUs, refusal: 'restarting' };
      }
      const crowded = points > room * memoryPressure.from;
      const slowdown =
        (isYellow() ? qdrant.yellowSlowdown : 1) * (crowded ? memoryPressure.slowdown : 1);
      const demand = { units: write.points, tokens: 0, slowdown };
      const appliedUs = station(demand, u, nowUs);
      points += write.added;
      backlog += write.points;
      const waiting = appliedAtUs.length - qdrant.queueLength;
      const freeUs = waiting >= 0 ? appliedAtUs[waiting]! : nowUs;
      appliedAtUs.splice(firstAfter(appliedAtUs, appliedUs), 0, appliedUs);
      return { acknowledgedUs: Math.min(appliedUs, freeUs), appliedUs, refusal: undefined };
    },
    remove(removed) {
      points = Math.max(0, points - removed);
    },
    state(nowUs) {
      index(nowUs);
      return {
        points,
        backlog: Math.round(backlog),
        yellow: isYellow(),
        queued: appliedAtUs.length,
        restarting: nowUs < downUntilUs,
      };
    },
    switchTo(next, nowUs) {
      index(nowUs);
      ({ seed, qdrant } = next);
      station = stationOf();
    },
  };
}
