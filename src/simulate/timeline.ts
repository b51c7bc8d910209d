/**
 * The order of things in virtual time: each of a fixed number of actors waits for at most one
 * instant. Instants that are equal come in the order in which they were set.
 */
export type Timeline = {
  /** Sets when an actor wakes, in whole microseconds. */
  set: (actor: number, atUs: number) => void;
  /** The next actor to wake, or -1 when none waits. `nowUs` is then its instant. */
  next: () => number;
  readonly nowUs: number;
};

/** A binary heap of actors, keyed by (time, sequence). */
export function createTimeline(actors: number): Timeline {
  const heap = new Int32Array(actors);
  const atUs = new Float64Array(actors);
  const order = new Float64Array(actors);
  let size = 0;
  let sequence = 0;
  let nowUs = 0;
  // The root is left in place until its actor is set again, which is nearly always: one sift, not two.
  let vacant = false;

  const before = (a: number, b: number) =>
    atUs[a]! < atUs[b]! || (atUs[a]! === atUs[b]! && order[a]! < order[b]!);

  const siftDown = (actor: number) => {
    let hole = 0;
    for (;;) {
      let child = 2 * hole + 1;
      if (child >= size) break;
      if (child + 1 < size && before(heap[child + 1]!, heap[child]!)) child++;
      if (!before(heap[child]!, actor)) break;
      heap[hole] = heap[child]!;
      hole = child;
    }
    heap[hole] = actor;
  };
  const siftUp = (actor: number) => {
    let hole = size++;
    while (hole > 0) {
      const parent = (hole - 1) >> 1;
      if (!before(actor, heap[parent]!)) break;
      heap[hole] = heap[parent]!;
      hole = parent;
    }
    heap[hole] = actor;
  };

  return {
    set(actor, at) {
      atUs[actor] = at;
      order[actor] = sequence++;
      if (vacant) {
        vacant = false;
        siftDown(actor);
      } else {
        siftUp(actor);
      }
    },
    next() {
      if (vacant) {
        vacant = false;
        size--;
        if (size > 0) siftDown(heap[size]!);
      }
      if (size === 0) return -1;
      vacant = true;
      const actor = heap[0]!;
      nowUs = atUs[actor]!;
      return actor;
    },
    get nowUs() {
      return nowUs;
    },
  };
}
