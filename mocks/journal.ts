import { credentialsIn, withoutSecrets } from './credentials.ts';
import { countIn } from './draw-key.ts';
import type { Sighting } from './observed.ts';

/** One request as the journal tells it. */
export type Entry = {
  /** Counts from 1 and never repeats, not even after the journal was emptied. */
  number: number;
  /** Milliseconds of real time since the mocks began. */
  atMs: number;
  service: string;
  method: string;
  path: string;
  status: number;
  /** Name of the profile; absent where no key was known. */
  run?: string;
  kind: string;
  /** Which limit refused it. */
  refusedBy?: string;
  fault?: string;
  /** Milliseconds of real time that the mock worked on it. */
  ownMs: number;
  /** Milliseconds of real time from its arrival to its answer. */
  delayMs: number;
  /** Bytes of the request's body. */
  requestBytes: number;
  /** 0 for the first try, by `x-kneepoint-attempt` or `x-stainless-retry-count`. */
  attempt?: number;
  /** Begin of the request's body. */
  body?: string;
  /** Begin of the answer's body, of refusals and errors only. */
  answer?: string;
};

export type Journal = {
  add: (sighting: Sighting) => void;
  /** In the order of arrival: the last `limit`, or the first `limit` whose number is over `since`. */
  entries: (choice: { limit: number; run?: string; since?: number }) => Entry[];
  size: () => { entries: number; bytes: number; last: number };
  clear: () => void;
};

export type JournalBounds = {
  entries: number;
  /** Bytes of all entries together, by estimate. */
  bytes: number;
  /** Bytes of a body or a path that are kept. */
  clip: number;
};

export const usualBounds: JournalBounds = { entries: 1_000, bytes: 4 * 1024 * 1024, clip: 2_048 };

type Kept = Omit<Entry, 'body' | 'answer'> & {
  bodyBytes: Buffer | undefined;
  answerBytes: Buffer | undefined;
  size: number;
};

/** What an entry takes beside its texts. */
const entryBytes = 250;

/**
 * The last requests, bounded in number and in bytes. Headers are not kept at all but for the attempt;
 * whatever a client gave as its key is blotted out of path and bodies before they are kept.
 */
export function createJournal(bounds = usualBounds, beganMs = performance.now()): Journal {
  const { clip } = bounds;
  let ring: (Kept | undefined)[] = new Array(bounds.entries);
  let [first, count, bytes, last] = [0, 0, 0, 0];

  const dropFirst = () => {
    bytes -= ring[first]!.size;
    ring[first] = undefined;
    first = (first + 1) % bounds.entries;
    count--;
  };
  // Copies, because a slice would keep a body of megabytes alive.
  const clipped = (body: Uint8Array, secrets: string[]): Buffer | undefined => {
    if (body.length === 0) return undefined;
    const all = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
    let longest = 0;
    for (const secret of secrets) longest = Math.max(longest, secret.length);
    // One that begins before the clip may end after it.
    const seen = all.subarray(0, clip + longest);
    const clean = secrets.some((secret) => seen.includes(secret))
      ? Buffer.from(withoutSecrets(seen.toString(), secrets))
      : seen;
    const kept = Buffer.allocUnsafe(Math.min(clip, clean.length));
    clean.copy(kept, 0, 0, kept.length);
    return kept;
  };
  const clippedText = (text: string, secrets: string[]): Buffer =>
    Buffer.from(withoutSecrets(text.slice(0, 2 * clip), secrets)).subarray(0, clip);
  const shown = ({ bodyBytes, answerBytes, size: _size, ...entry }: Kept): Entry => ({
    ...entry,
    ...(bodyBytes ? { body: bodyBytes.toString() } : {}),
    ...(answerBytes ? { answer: answerBytes.toString() } : {}),
  });

  return {
    add({ service, method, path, headers, bytes: body, answer, nowMs, ownMs }) {
      const secrets = credentialsIn(headers);
      const { status, about, delayMs = 0 } = answer;
      const attempt =
        countIn(headers['x-kneepoint-attempt']) ?? countIn(headers['x-stainless-retry-count']);
      const clean = withoutSecrets(path, secrets);
      const bodyBytes = clipped(body, secrets);
      const answerBytes = status >= 400 ? clippedText(answer.body, secrets) : undefined;
      const kept: Kept = {
        number: ++last,
        atMs: nowMs - beganMs,
        service,
        method,
        path: clean.length > clip ? Buffer.from(clean).toString('utf8', 0, clip) : clean,
        status,
        kind: about?.kind ?? 'other',
        ownMs,
        delayMs,
        requestBytes: body.length,
        bodyBytes,
        answerBytes,
        size: 0,
      };
      if (about) kept.run = about.run;
      if (about?.refusedBy !== undefined) kept.refusedBy = about.refusedBy;
      if (about?.fault !== undefined) kept.fault = about.fault;
      if (attempt !== undefined) kept.attempt = attempt;
      kept.size =
        entryBytes + kept.path.length + (bodyBytes?.length ?? 0) + (answerBytes?.length ?? 0);
      if (count === bounds.entries) dropFirst();
      ring[(first + count++) % bounds.entries] = kept;
      bytes += kept.size;
      while (bytes > bounds.bytes) dropFirst();
    },
    entries({ limit, run, since }) {
      const chosen: Kept[] = [];
      for (let at = 0; at < count; at++) {
        const kept = ring[(first + at) % bounds.entries]!;
        if (run !== undefined && kept.run !== run) continue;
        if (kept.number > (since ?? 0)) chosen.push(kept);
      }
      if (limit === 0) return [];
      return (since === undefined ? chosen.slice(-limit) : chosen.slice(0, limit)).map(shown);
    },
    size: () => ({ entries: count, bytes, last }),
    clear() {
      ring = new Array(bounds.entries);
      [first, count, bytes] = [0, 0, 0];
    },
  };
}
