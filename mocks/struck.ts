import type { Fault } from '../src/model/faults.ts';
import type { Answer } from './endpoint.ts';

/**
 * The answer after a fault of the lab has struck it. `status` is not among them: it answers instead of
 * the service, in the service's own words.
 */
export function struck(answer: Answer, fault: Fault, speed: number): Answer {
  const { kind } = fault;
  const ms = fault.ms / speed;
  switch (kind) {
    case 'status':
      return answer;
    case 'latency':
      return { ...answer, delayMs: (answer.delayMs ?? 0) + ms };
    case 'truncated-json':
      return { ...answer, body: answer.body.slice(0, Math.floor(answer.body.length / 2)) };
    default:
      return { ...answer, fault: { kind, ms } };
  }
}
