/** How sentences of the verdict write figures. */

/** Three significant digits, whole from 100 on, and thousands apart: 2.5, 13.3, 1,480. */
export const figure = (value: number): string =>
  grouped(Number(Math.abs(value) < 100 ? value.toPrecision(3) : value.toFixed(0)));

/** A figure of the lab, as exact as it is given up to ten digits: 1,000,000. */
export const exactly = (value: number): string => grouped(Number(value.toPrecision(10)));

/** A figure that was computed, four significant digits: 52,880. */
export const about = (value: number): string => grouped(Number(value.toPrecision(4)));

/** A figure with its thousands apart, all digits kept. Not by locale: pure code has no Intl in every engine. */
export function grouped(value: number): string {
  const [whole = '', ...fraction] = String(value).split('.');
  return [whole.replace(/\B(?=(\d{3})+$)/g, ','), ...fraction].join('.');
}

/** A share of one: 0.75 is `75 %`. */
export const percent = (share: number): string => `${Math.round(share * 100)} %`;

/** `1 worker`, `2.5 workers`. */
export const workersText = (count: number): string =>
  `${figure(count)} worker${count === 1 ? '' : 's'}`;
