import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createTimeline } from './timeline.ts';

test('earliest first, equal instants in the order in which they were set', () => {
  const timeline = createTimeline(4);
  timeline.set(3, 10);
  timeline.set(0, 20);
  timeline.set(2, 10);
  timeline.set(1, 10);
  const woken = [0, 1, 2, 3].map(() => [timeline.next(), timeline.nowUs]);
  expect(woken).toEqual([
    [3, 10],
    [2, 10],
    [1, 10],
    [0, 20],
  ]);
  expect(timeline.next()).toBe(-1);
});

test('it goes like a sorted array', () => {
  const actors = 12;
  const step = fc.oneof(
    fc.constant('next' as const),
    fc.record({ actor: fc.nat(actors - 1), delayUs: fc.oneof(fc.nat(3), fc.nat(1_000_000)) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const timeline = createTimeline(actors);
      let waiting: { actor: number; atUs: number; sequence: number }[] = [];
      let nowUs = 0;
      const wakeOne = () => {
        waiting.sort((a, b) => a.atUs - b.atUs || a.sequence - b.sequence);
        const first = waiting.shift();
        expect(timeline.next()).toBe(first?.actor ?? -1);
        if (!first) return;
        nowUs = first.atUs;
        expect(timeline.nowUs).toBe(nowUs);
      };
      for (const [sequence, at] of steps.entries()) {
        if (at === 'next') wakeOne();
        else if (!waiting.some(({ actor }) => actor === at.actor)) {
          const atUs = nowUs + at.delayUs;
          waiting = [...waiting, { actor: at.actor, atUs, sequence }];
          timeline.set(at.actor, atUs);
        }
      }
      for (let left = waiting.length; left >= 0; left--) wakeOne();
    }),
    { numRuns: 500 },
  );
});
