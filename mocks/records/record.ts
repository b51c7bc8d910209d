import type { Lab } from '../../src/model/lab.ts';
import { chunkText } from '../../src/model/text.ts';
import type { SourceRecord } from './source.ts';

/** What decides a record's text. */
export type RecordShape = Pick<Lab, 'seed'> & {
  workload: Pick<Lab['workload'], 'chunksPerRecord' | 'bytesPerChunk'>;
};

/**
 * Makes the record of a number (from 0): the same for the same seed and shape, whether it is answered
 * straight away or lies in a table. `text` is the chunks' text where the caller has it already.
 */
export function recordMaker(
  { seed, workload: { chunksPerRecord, bytesPerChunk } }: RecordShape,
  text = chunkText(seed, bytesPerChunk),
): (record: number) => SourceRecord {
  return (record) => {
    let body = '';
    for (let chunk = 0; chunk < chunksPerRecord; chunk++) body += text(record, chunk);
    return { id: record + 1, title: `Record ${record + 1}`, body };
  };
}
