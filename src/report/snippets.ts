/**
 * A client-side limiter to paste into a pipeline, in the two languages of the official SDKs. The tests run
 * both against the mocks. It is the pace of `src/model/client-limit.ts` on the wall clock.
 */
export type Language = 'typescript' | 'python';

/** What the limiter is to keep to. An absent limit is none. */
export type SnippetLimits = {
  rpm?: number | undefined;
  tpm?: number | undefined;
  /** Share of the limits to use, in (0, 1]. */
  share: number;
};

const typescript = ({ rpm, tpm, share }: SnippetLimits): string => `\
// One limiter for all workers of a process; several processes need a share each.
const limits = { requests: ${rpm ?? 'Infinity'}, tokens: ${tpm ?? 'Infinity'} }; // per minute
const share = ${share};
const burstMs = 6_000; // saved up at most; starts empty, as something else may have used the quota
const startedAt = performance.now();
const paidUntil = { requests: startedAt + burstMs, tokens: startedAt + burstMs };

/** Waits until these texts may be sent: await it before each embeddings request. */
export async function mayEmbed(texts: string[]): Promise<void> {
  // OpenAI charges UTF-8 bytes / 4 before it counts real tokens.
  const bytes = texts.reduce((sum, text) => sum + new TextEncoder().encode(text).length, 0);
  const units = { requests: 1, tokens: Math.floor(bytes / 4) };
  const names = ['requests', 'tokens'] as const;
  const cost = (name: (typeof names)[number]) => (units[name] * 60_000) / (limits[name] * share);
  const now = performance.now();
  const at = Math.max(now, ...names.map((name) => Math.max(paidUntil[name], now) + cost(name) - burstMs));
  for (const name of names)
    paidUntil[name] = Math.max(paidUntil[name], at - Math.max(0, cost(name) - burstMs)) + cost(name);
  while (performance.now() < at)
    await new Promise((resolve) => setTimeout(resolve, at - performance.now() + 1));
}
`;

const python = ({ rpm, tpm, share }: SnippetLimits): string => `\
# One limiter for all threads of a process; several processes need a share each.
import threading
import time

LIMITS = {"requests": ${rpm ?? 'float("inf")'}, "tokens": ${tpm ?? 'float("inf")'}}  # per minute
SHARE = ${share}
BURST = 6.0  # seconds saved up at most; starts empty, as something else may have used the quota
_lock = threading.Lock()
_paid_until = {name: time.monotonic() + BURST for name in LIMITS}


def may_embed(texts):
    """Waits until these texts may be sent: call it before each embeddings request."""
    # OpenAI charges UTF-8 bytes / 4 before it counts real tokens.
    tokens = sum(len(text.encode()) for text in texts) // 4
    units = {"requests": 1, "tokens": tokens}
    cost = {name: units[name] * 60 / (LIMITS[name] * SHARE) for name in LIMITS}
    with _lock:
        now = time.monotonic()
        at = max(now, *(max(_paid_until[name], now) + cost[name] - BURST for name in LIMITS))
        for name in LIMITS:
            own = max(0, cost[name] - BURST)
            _paid_until[name] = max(_paid_until[name], at - own) + cost[name]
    time.sleep(max(0, at - time.monotonic()))
`;

const snippets: Record<Language, (limits: SnippetLimits) => string> = { typescript, python };

/** The source text of the limiter. */
export const limiterSnippet = (language: Language, limits: SnippetLimits): string =>
  snippets[language](limits);
