import type { UpsertState } from '../../src/model/upserts.ts';
import type { Call } from './call.ts';

/** What the lab's model says of the writes; asking does not start the run's clock. */
export const upsertState = ({ run, nowMs }: Call): UpsertState =>
  run.upserts.state(run.peekUs(nowMs));

/** What `GET …/optimizations` tells: one optimization runs while the collection is yellow. */
export const optimizations = ({ yellow, backlog }: UpsertState) => ({
  summary: {
    queued_optimizations: 0,
    queued_segments: 0,
    queued_points: yellow ? backlog : 0,
    idle_segments: yellow ? 1 : 2,
  },
  running: yellow
    ? [
        {
          uuid: '00000000-0000-4000-8000-000000000001',
          optimizer: 'indexing',
          status: 'optimizing',
          segments: [],
          progress: { name: 'Segment Optimizing', done: 0, total: backlog },
        },
      ]
    : [],
  queued: [],
  completed: [],
});
