/**
 * A service that takes time: its latency, a place in line, a slot. One function of state, demand and
 * arrival time says at once when the answer comes, so that a mock server and the simulator share it.
 */
import { type LatencySpec, latencySampler } from './latency.ts';

export type StationSpec = {
  latency: LatencySpec;
  /** Demands that are worked on at the same time; 0 = no queue. */
  slots: number;
  /** Microseconds that a unit of work keeps its slot. */
  slotUsPerUnit: number;
};

/** When the answer is ready, in microseconds. `u` is only asked for where latency is random; `slowdown` multiplies latency and work. */
export type Station = (
  demand: { units: number; tokens: number; slowdown?: number },
  u: () => number,
  nowUs: number,
) => number;

/** A pool of equal servers, first come first served: returns when the work starts. */
export function createPool(size: number): (readyUs: number, holdUs: number) => number {
  const freeAtUs = new Float64Array(size);
  return (readyUs, holdUs) => {
    let first = 0;
    for (let index = 1; index < size && freeAtUs[first]! > readyUs; index++)
      if (freeAtUs[index]! < freeAtUs[first]!) first = index;
    const startUs = Math.max(readyUs, freeAtUs[first]!);
    freeAtUs[first] = startUs + holdUs;
    return startUs;
  };
}

/**
 * Places in line are given by arrival; work starts when the request's own latency is over and a slot
 * is free. A client that gives up does not take its work out of the line: that is how real overload
 * feeds itself.
 */
export function createStation(spec: StationSpec): Station {
  const base = latencySampler(spec.latency);
  const { perThousandTokens = 0, perInFlightAbove: load } = spec.latency;
  const pool = spec.slots > 0 && spec.slotUsPerUnit > 0 ? createPool(spec.slots) : undefined;
  let doneAtUs: number[] = [];

  return ({ units, tokens, slowdown = 1 }, u, nowUs) => {
    let latencyUs = base.us(base.random ? u() : 0) * slowdown + perThousandTokens * tokens;
    if (load) {
      doneAtUs = doneAtUs.filter((doneUs) => doneUs > nowUs);
      const above = Math.max(0, doneAtUs.length + 1 - load.count);
      latencyUs += Math.min(above * load.ms, load.maxMs ?? Infinity) * 1_000;
    }
    const readyUs = nowUs + Math.round(latencyUs);
    const workUs = Math.round(units * spec.slotUsPerUnit * slowdown);
    const doneUs = (pool ? pool(readyUs, workUs) : readyUs) + workUs;
    if (load) doneAtUs.push(doneUs);
    return doneUs;
  };
}
