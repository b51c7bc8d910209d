/** How figures are written for people, the same in terminal and page. */

/** Stands where a cell has no figure, because it was not run. */
export const nothing = '–';

/** A whole number with thousands separators: 5250 → `5,250`. */
export const grouped = (value: number): string =>
  String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ',');

/** A number with at most one decimal, and none where it is zero: 2.5, 8, 12.4. */
export const short = (value: number): string => String(Math.round(value * 10) / 10);

const tenths = (value: number, unit: string): string => {
  const rounded = Math.round(value * 10) / 10;
  return rounded < 100 ? `${rounded.toFixed(1)} ${unit}` : `${grouped(value)} ${unit}`;
};

/** A duration in seconds as text: tenths below 100 s, whole seconds below 2 h, then hours. */
export const formatTime = (seconds: number): string => {
  if (!Number.isFinite(seconds)) return nothing;
  return seconds < 7200 ? tenths(seconds, 's') : tenths(seconds / 3600, 'h');
};

/** A share of one as whole per cent: 0.75 → `75 %`. */
export const formatShare = (share: number): string =>
  Number.isFinite(share) ? `${Math.round(share * 100)} %` : nothing;

/** Memory in MiB as MiB below one GiB, else as GiB with one decimal. */
export const formatMemory = (megabytes: number): string =>
  megabytes < 1024 ? `${grouped(megabytes)} MiB` : `${(megabytes / 1024).toFixed(1)} GiB`;

/** `1 worker`, `2 workers`, `2.5 workers`. */
export const countOf = (count: number, noun: string): string =>
  `${count >= 1000 ? grouped(count) : short(count)} ${noun}${count === 1 ? '' : 's'}`;

/** Text without control characters: a lab's name must not be able to steer a terminal. */
export const printable = (text: string): string => {
  let clean = '';
  for (const char of text) {
    const code = char.codePointAt(0) ?? 0;
    clean += code < 32 || (code >= 127 && code < 160) ? ' ' : char;
  }
  return clean;
};
