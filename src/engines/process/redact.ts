/** What stands in a log in the place of a secret. */
export const redacted = '[redacted]';

/** Keys of OpenAI, but not the mocks' own, which open nothing and help to read a log. */
const openaiKey = String.raw`\bsk-(?!kneepoint)[A-Za-z0-9_-]{12,}`;

/** Shorter ones are redacted as whole words only: "a" in every word would leave no log. */
const shortestAnywhere = 4;

const escaped = (text: string) => text.replace(/[.*+?^${}()|[\]\\/-]/g, String.raw`\$&`);

const lowerPercent = (text: string) => text.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase());

/** As a secret may stand in a URL, in JSON, in a header or in a form. */
function spellings(secret: string): string[] {
  const inUrl = encodeURIComponent(secret);
  // What encodeURIComponent leaves alone is encoded elsewhere.
  const strict = inUrl.replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  const base64 = Buffer.from(secret).toString('base64');
  return [
    secret,
    inUrl,
    strict,
    lowerPercent(inUrl),
    lowerPercent(strict),
    strict.replaceAll('%20', '+'),
    JSON.stringify(secret).slice(1, -1),
    base64,
    Buffer.from(secret).toString('base64url'),
    // The rows of a secret of several lines pass one by one.
    ...secret.split(/\r?\n/).filter((row) => row.length >= 8),
  ];
}

/**
 * Takes secrets out of text that comes in pieces, also where one is split between two. `push` returns
 * what is safe to show by now: whole lines, and of a line without an end what can't be part of a secret
 * any more. `end` returns the rest.
 */
export function createRedactor(
  secrets: string[],
  longestLine = 64 * 1024,
): { push: (text: string) => string; end: () => string } {
  const all = [...new Set(secrets.flatMap(spellings))].filter((text) => text !== '');
  all.sort((a, b) => b.length - a.length);
  const parts = all.map((text) =>
    text.length >= shortestAnywhere
      ? escaped(text)
      : `(?<![A-Za-z0-9])${escaped(text)}(?![A-Za-z0-9])`,
  );
  const pattern = new RegExp([...parts, openaiKey].join('|'), 'g');
  // Enough to hold the longest secret, and a key of OpenAI (at most 200 characters).
  const overlap = Math.max(512, all[0]?.length ?? 0);
  const clean = (text: string) => text.replace(pattern, redacted);

  let pending = '';
  return {
    push: (text) => {
      pending += text;
      let cut = pending.lastIndexOf('\n') + 1;
      if (pending.length - cut > longestLine) {
        cut = pending.length - overlap;
        for (const match of pending.matchAll(pattern)) {
          if (match.index >= cut) break;
          if (match.index + match[0].length > cut) cut = match.index;
        }
        // The rest is one single secret, longer than any should be.
        if (cut === 0) {
          pending = '';
          return redacted;
        }
      }
      const safe = clean(pending.slice(0, cut));
      pending = pending.slice(cut);
      return safe;
    },
    end: () => {
      const rest = clean(pending);
      pending = '';
      return rest;
    },
  };
}
