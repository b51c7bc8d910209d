import { cpus } from 'node:os';

/** Milliseconds that all cores together were in use, and that passed, since the machine began. */
function spent(): { busyMs: number; allMs: number } {
  let [busyMs, allMs] = [0, 0];
  for (const { times } of cpus()) {
    const { idle, ...busy } = times;
    const working = Object.values(busy).reduce((sum, ms) => sum + ms, 0);
    busyMs += working;
    allMs += working + idle;
  }
  return { busyMs, allMs };
}

/** Share of the machine's cores that all its programs together use from now on, 0 to 1. */
export function watchCpu(): { share: () => number } {
  const from = spent();
  return {
    share() {
      const to = spent();
      const all = to.allMs - from.allMs;
      return all > 0 ? Number(((to.busyMs - from.busyMs) / all).toFixed(3)) : 0;
    },
  };
}
