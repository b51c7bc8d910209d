/** Cuts a text into pieces of at most so many UTF-8 bytes, never within a character. */
export function chunksOf(text: string, chunkBytes: number): string[] {
  const bytes = Buffer.from(text);
  const chunks: string[] = [];
  for (let start = 0, end = 0; start < bytes.length; start = end) {
    end = Math.min(start + chunkBytes, bytes.length);
    // A byte 10xxxxxx continues a character: the cut goes before its first byte.
    while (end < bytes.length && (bytes[end]! & 0xc0) === 0x80) end--;
    chunks.push(bytes.toString('utf8', start, end));
  }
  return chunks;
}
