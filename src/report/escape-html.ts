import { printable } from './figures.ts';

const entities: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text as HTML text or attribute value. Keeps line breaks, drops other control characters. */
export const escapeHtml = (text: string): string =>
  text
    .split('\n')
    .map((line) => printable(line).replace(/[&<>"']/g, (char) => entities[char] ?? char))
    .join('\n');
