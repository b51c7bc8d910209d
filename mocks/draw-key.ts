import type { DrawKey } from '../src/model/random.ts';
import type { MockRequest } from './endpoint.ts';

/** A count that a client sends in a header, undefined where it is absent or no whole number. */
export const countIn = (value: string | string[] | undefined): number | undefined => {
  const number = typeof value === 'string' ? Number(value) : Number.NaN;
  return Number.isSafeInteger(number) && number >= 0 ? number : undefined;
};

/** Which draws a request gets: the simulator's where it says which record it is, else those of its content. */
export function drawKeyOf({ headers }: MockRequest, content: () => number): DrawKey {
  const record = countIn(headers['x-kneepoint-record']);
  return {
    record: record ?? content(),
    attempt: countIn(headers['x-kneepoint-attempt']) ?? 0,
    draw: countIn(headers['x-kneepoint-draw']) ?? 0,
  };
}
