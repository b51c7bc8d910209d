/** Headers of one connection, which an intermediary must not hand on (RFC 9110 7.6.1). */
const hopByHop = [
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
];

/**
 * The headers in the order and the letters in which they came, names and values in turn, without those
 * of the connection and without `also` (lower-case names).
 */
export function endToEnd(raw: readonly string[], also: readonly string[] = []): string[] {
  const dropped = new Set([...hopByHop, ...also]);
  for (let at = 0; at < raw.length; at += 2)
    if (raw[at]!.toLowerCase() === 'connection')
      for (const name of raw[at + 1]!.split(',')) dropped.add(name.trim().toLowerCase());
  const kept: string[] = [];
  for (let at = 0; at < raw.length; at += 2)
    if (!dropped.has(raw[at]!.toLowerCase())) kept.push(raw[at]!, raw[at + 1]!);
  return kept;
}
