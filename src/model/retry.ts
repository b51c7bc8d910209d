import type { Lab } from './lab.ts';

/** Which client a worker uses, as far as its retry rules go. */
export type ClientProfile = Lab['worker']['client'];

/** The hint headers of a 429, as a client reads them. */
export type Hint = { retryAfterMs?: number; retryAfterSeconds?: number };

/** Milliseconds of the hint that a client would read: the precise header wins. */
const hintMs = (hint: Hint): number | undefined =>
  hint.retryAfterMs ??
  (hint.retryAfterSeconds === undefined ? undefined : hint.retryAfterSeconds * 1_000);

/** Backoff of both official SDKs: half a second, doubled, at most 8 s, less up to a quarter. */
const sdkBackoffMs = (attempt: number, u: number) =>
  Math.min(500 * 2 ** attempt, 8_000) * (1 - 0.25 * u);

/** What both official SDKs call max_retries, unless they are told otherwise. */
const sdkRetries = 2;

/**
 * How a request failed without a 429: `failed` = no answer, or a 5xx; `cut` = the connection broke in
 * the body; `garbled` = the body was whole and no JSON; `refused` = a 4xx that no retry cures.
 */
export type Failure = 'failed' | 'cut' | 'garbled' | 'refused';

/**
 * Whether a client tries again at all. The SDKs read the body after their retry loop (Node), or within
 * it but decode it after (Python), so a broken body ends the call (read in their sources).
 */
export function retries(client: ClientProfile, failure: Failure): boolean {
  if (failure === 'refused') return false;
  switch (client) {
    case 'none':
      return false;
    case 'patient':
    case 'exact-hint':
    case 'full-jitter':
      return true;
    case 'openai-node-6':
    case 'openai-node-7':
      return failure === 'failed';
    case 'openai-python-2':
    case 'openai-python-3':
      return failure !== 'garbled';
  }
}

/**
 * Milliseconds to wait before the next try, or undefined when the client gives up.
 * `attempt` counts from 0; `u` is uniform in (0, 1); `most` is how many times an SDK tries again.
 *
 * Two rules that many pipelines write themselves stand for what jitter does: `exact-hint` waits exactly as
 * told, `full-jitter` never reads the hint and waits up to half a second, doubled, at most 8 s (Brooker
 * 2015). Neither gives up.
 *
 * The SDK rules are read from their sources and measured: node-6 stands for 6.26 to
 * 7.0.0, node-7 for 7.10 and later, python-2 for 2.51 and earlier, python-3 for 2.52.1 and later.
 */
export function retryDelayMs(
  client: ClientProfile,
  attempt: number,
  hint: Hint,
  u: number,
  most: number = sdkRetries,
): number | undefined {
  const told = hintMs(hint);
  switch (client) {
    case 'none':
      return undefined;
    case 'patient':
      return patientDelayMs(attempt, told, u);
    case 'exact-hint':
      return told ?? Math.min(500 * 2 ** attempt, 8_000);
    case 'full-jitter':
      return Math.min(500 * 2 ** attempt, 8_000) * u;
    case 'openai-node-6':
      if (attempt >= most) return undefined;
      return told !== undefined && told >= 0 ? told : sdkBackoffMs(attempt, u);
    case 'openai-node-7':
      if (attempt >= most) return undefined;
      return told !== undefined && told >= 0 && told <= 60_000 ? told : sdkBackoffMs(attempt, u);
    case 'openai-python-2':
      if (attempt >= most) return undefined;
      return told !== undefined && told > 0 && told <= 60_000 ? told : sdkBackoffMs(attempt, u);
    case 'openai-python-3':
      if (attempt >= most || (told !== undefined && told > 120_000)) return undefined;
      return told !== undefined && told > 0 ? told : sdkBackoffMs(attempt, u);
  }
}

/**
 * Never earlier than told. A hint says when one request would fit, and every waiting worker gets the
 * same: those refused again spread over up to four times as long, so that they don't come as a herd.
 */
function patientDelayMs(attempt: number, told: number | undefined, u: number): number {
  if (told === undefined) return Math.min(250 * 2 ** attempt, 2_000) * (0.5 + 0.5 * u);
  return told * (1 + Math.min(attempt + 1, 3) * u) + 20 * Math.min(attempt + 1, 4) * u;
}

/** Milliseconds before another try of a failed upsert: a second, doubled, less up to a quarter. */
export const upsertRetryMs = (attempt: number, u: number): number =>
  Math.min(1_000 * 2 ** attempt, 8_000) * (1 - 0.25 * u);
