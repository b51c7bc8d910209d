import type { Gate } from '../model/client-limit.ts';
import type { Outcome, Want } from '../model/worker.ts';

type Embed = Extract<Want, { kind: 'embed' }>;

/** Workers that share a limit of their own: who may send, who waits, and who waits for somebody's answer. */
export type Turns = {
  /** Whether the request may be sent now. Otherwise its worker is woken when it may. */
  mayGo: (worker: number, want: Embed, nowUs: number) => boolean;
  /** To call when a worker wakes: the request that it waited to send, if that is why it woke. */
  due: (worker: number, outcome: Outcome, nowUs: number) => Embed | undefined;
};

/** `wait` wakes a worker at an instant and counts the time since then as waiting. */
export function createTurns(
  gate: Gate,
  workers: number,
  wait: (worker: number, sinceUs: number, untilUs: number) => void,
): Turns {
  const held: (Embed | undefined)[] = new Array(workers).fill(undefined);
  const cleared: boolean[] = new Array(workers).fill(false);
  const sent: boolean[] = new Array(workers).fill(false);
  const queue: { worker: number; want: Embed; sinceUs: number }[] = [];
  /** Lets those go for whom there is room now, first come first served. */
  const release = (nowUs: number) => {
    for (let first = queue[0]; first; first = queue[0]) {
      const atUs = gate.ask(first.want.batch.tokens, nowUs);
      if (atUs === undefined) return;
      queue.shift();
      held[first.worker] = first.want;
      wait(first.worker, first.sinceUs, atUs);
    }
  };
  return {
    mayGo(worker, want, nowUs) {
      if (!cleared[worker]) {
        const atUs = queue.length > 0 ? undefined : gate.ask(want.batch.tokens, nowUs);
        if (atUs === undefined) {
          queue.push({ worker, want, sinceUs: nowUs });
          return false;
        }
        if (atUs > nowUs) {
          held[worker] = want;
          wait(worker, nowUs, atUs);
          return false;
        }
      }
      cleared[worker] = false;
      sent[worker] = true;
      return true;
    },
    due(worker, outcome, nowUs) {
      const want = held[worker];
      if (want) {
        held[worker] = undefined;
        cleared[worker] = true;
        return want;
      }
      if (sent[worker]) {
        sent[worker] = false;
        gate.answered(typeof outcome !== 'string', nowUs);
        release(nowUs);
      }
      return undefined;
    },
  };
}
