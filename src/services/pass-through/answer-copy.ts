/** Reads a copy of an answer on its way to the client, without ever holding all of it. */
import type { Transform } from 'node:stream';
import {
  brotliDecompressSync,
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createZstdDecompress,
  constants as flush,
  gunzipSync,
  inflateSync,
  zstdDecompressSync,
} from 'node:zlib';

/** Bytes of an error that are read; OpenAI's and Qdrant's have hundreds. */
const mostErrorBytes = 64 * 1024;
/** Bytes at either end of an answer in which `usage` is looked for: OpenAI has it last, some gateways first. */
const endBytes = 4 * 1024;

const streams: Record<string, () => Transform> = {
  gzip: createGunzip,
  'x-gzip': createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
  zstd: createZstdDecompress,
};

// An error that is cut off at its most bytes is still to be read as far as it goes.
const partial = { finishFlush: flush.Z_SYNC_FLUSH, maxOutputLength: 16 * mostErrorBytes };
const partialBrotli = {
  finishFlush: flush.BROTLI_OPERATION_FLUSH,
  maxOutputLength: 16 * mostErrorBytes,
};
const inOnePiece: Record<string, (bytes: Buffer) => Buffer> = {
  gzip: (bytes) => gunzipSync(bytes, partial),
  'x-gzip': (bytes) => gunzipSync(bytes, partial),
  deflate: (bytes) => inflateSync(bytes, partial),
  br: (bytes) => brotliDecompressSync(bytes, partialBrotli),
  zstd: (bytes) => zstdDecompressSync(bytes, { maxOutputLength: 16 * mostErrorBytes }),
};

const isPlain = (encoding: string): boolean => encoding === '' || encoding === 'identity';

/** The text of an error answer. Collects now and decodes at the end, at once: a retry must not be told before its refusal. */
export function createErrorCopy(encoding: string): {
  add: (part: Buffer) => void;
  /** The text so far; empty where it can't be read. */
  text: () => string;
} {
  const parts: Buffer[] = [];
  let length = 0;
  return {
    add(part) {
      if (length >= mostErrorBytes) return;
      parts.push(part.subarray(0, mostErrorBytes - length));
      length += part.length;
    },
    text() {
      const bytes = Buffer.concat(parts);
      if (isPlain(encoding)) return bytes.toString();
      try {
        return inOnePiece[encoding]?.(bytes).toString() ?? '';
      } catch {
        // Damaged, or a stack of encodings: the client has to cope with it, not we.
        return '';
      }
    },
  };
}

const usagePattern = /"usage"\s*:\s*\{[\s\S]{0,1000}?"total_tokens"\s*:\s*(\d+)/;

/** Finds `usage.total_tokens` in an answer that may have many megabytes of vectors. */
export function createUsageCopy(encoding: string): {
  add: (part: Buffer) => void;
  /** Call once, after the last part. Resolves with the billed tokens, or undefined where they aren't found. */
  tokens: () => Promise<number | undefined>;
  /** The answer was cut off: nothing more comes. */
  drop: () => void;
} {
  let head = Buffer.alloc(0);
  let tail = Buffer.alloc(0);
  const look = (part: Buffer): void => {
    if (head.length < endBytes)
      head = Buffer.concat([head, part.subarray(0, endBytes - head.length)]);
    tail =
      part.length >= endBytes
        ? Buffer.from(part.subarray(-endBytes))
        : Buffer.concat([tail.subarray(-(endBytes - part.length)), part]);
  };
  const found = (): number | undefined => {
    for (const end of [tail, head]) {
      const digits = usagePattern.exec(end.toString('latin1'))?.[1];
      if (digits !== undefined) return Number(digits);
    }
    return undefined;
  };
  if (isPlain(encoding)) return { add: look, tokens: async () => found(), drop: () => {} };

  const open = streams[encoding];
  if (!open) return { add: () => {}, tokens: async () => undefined, drop: () => {} };
  const decoder = open();
  decoder.on('data', look);
  const whole = new Promise<boolean>((resolve) => {
    decoder.once('end', () => resolve(true));
    // More than one may come: parts go on arriving after the first.
    decoder.on('error', () => resolve(false));
    decoder.once('close', () => resolve(false));
  });
  return {
    add(part) {
      if (!decoder.destroyed) decoder.write(part);
    },
    async tokens() {
      if (!decoder.destroyed) decoder.end();
      return (await whole) ? found() : undefined;
    },
    drop: () => void decoder.destroy(),
  };
}
