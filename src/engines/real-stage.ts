import type { PassThrough } from '../services/pass-through/pass-through.ts';
import { createMeter, type Meter } from './meter.ts';
import type { Stage } from './stage.ts';

/** Sends what a pass-through tells to the meter of the cell that runs. */
export function createMeterSwitch() {
  let meter: Meter = createMeter();
  return {
    sink: ((sighting) => meter.sink(sighting)) as Meter['sink'],
    gone: ((answer, nowMs) => meter.gone(answer, nowMs)) as Meter['gone'],
    fresh() {
      meter = createMeter();
      return meter;
    },
  };
}

/**
 * The real services behind a pass-through. What they store is not looked at: points that they
 * acknowledged stand for it.
 */
export function openRealStage(
  passThrough: PassThrough,
  meters: ReturnType<typeof createMeterSwitch>,
  chunksPerRecord: number,
): Stage {
  const meter = meters.fresh();
  return {
    env: { OPENAI_BASE_URL: passThrough.openaiUrl, QDRANT_URL: passThrough.qdrantUrl },
    settled: passThrough.settled,
    traffic: meter.traffic,
    progress() {
      const { pointsWritten, openai } = meter.traffic();
      const { rpm, tpm, rpd } = openai.rateLimited;
      return {
        records: Math.floor(pointsWritten / chunksPerRecord),
        rateLimited: rpm + tpm + rpd,
      };
    },
    points: () => undefined,
    connectionsInUse: async () => undefined,
    async problem() {
      const { exceeded, refusal, usd } = passThrough.spending();
      if (exceeded)
        return `the limit of --max-cost was reached after $${usd.toFixed(4)}: further embeddings were refused`;
      return refusal === undefined ? undefined : `requests were refused: ${refusal}`;
    },
    close: async () => {},
  };
}
