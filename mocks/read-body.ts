import type { IncomingMessage } from 'node:http';
import { errorCodes } from 'fastify';

/** Bodies from this length on are put in one place as they come. Below, joining the parts is as fast. */
const leastPlaced = 64 * 1024;

/**
 * Reads a body whole. Fastify's own reader collects the parts and copies them in the end, when the first
 * ones have left the processor's caches; of a body whose length is declared each part is copied at once.
 * Fails with Fastify's own error where the body is over `limit` bytes.
 */
export function readBody(
  message: IncomingMessage,
  limit: number,
  done: (error: Error | null, body?: Buffer) => void,
): void {
  const declared = Number(message.headers['content-length'] ?? Number.NaN);
  if (declared > limit) {
    done(new errorCodes.FST_ERR_CTP_BODY_TOO_LARGE());
    return;
  }
  const whole = declared >= leastPlaced ? Buffer.allocUnsafeSlow(declared) : undefined;
  const parts: Buffer[] = [];
  let length = 0;
  const stop = (error: Error | null, body?: Buffer): void => {
    message.off('data', onData).off('end', onEnd).off('error', stop);
    done(error, body);
  };
  const onData = (part: Buffer): void => {
    if (length + part.length > limit) {
      stop(new errorCodes.FST_ERR_CTP_BODY_TOO_LARGE());
      return;
    }
    if (whole === undefined) parts.push(part);
    else whole.set(part, length);
    length += part.length;
  };
  const onEnd = (): void => {
    // Node ends a body with a declared length at that length, and fails where there is less.
    stop(null, whole ?? Buffer.concat(parts, length));
  };
  message.on('data', onData).on('end', onEnd).on('error', stop);
}
