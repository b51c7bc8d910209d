import type { Cell, Sweep, WorkerState } from '../model/sweep.ts';
import { escapeHtml } from './escape-html.ts';
import { countOf, formatShare, short } from './figures.ts';
import { isConfident, reason, recommendation } from './terminal.ts';

/** The states in the order of a worker's day, and what each is called. */
export const states: { state: WorkerState; label: string }[] = [
  { state: 'read', label: 'MySQL read' },
  { state: 'compute', label: 'own CPU' },
  { state: 'embed', label: 'OpenAI' },
  { state: 'qdrant', label: 'Qdrant' },
  { state: 'backoff', label: 'rejected and waiting' },
  { state: 'idle', label: 'idle' },
];

const round = (value: number): string => String(Math.round(value * 10) / 10);

/** A step of 1, 2 or 5 times a power of ten that cuts `max` into at most `parts` parts. */
export const niceStep = (max: number, parts: number): number => {
  const rough = max / parts;
  const power = 10 ** Math.floor(Math.log10(rough));
  return (([1, 2, 5].find((factor) => factor * power >= rough) ?? 10) as number) * power;
};

type Point = { workers: number; rate: number };

/** Records per second at a worker count, on the straight line between the two nearest points. */
const rateAt = (points: Point[], workers: number): number | undefined => {
  const after = points.findIndex((point) => point.workers >= workers);
  const high = points[after];
  if (high === undefined) return undefined;
  const low = points[after - 1];
  if (low === undefined) return high.workers === workers ? high.rate : undefined;
  const share = (workers - low.workers) / (high.workers - low.workers);
  return low.rate + share * (high.rate - low.rate);
};

export const legend = (items: { shape: string; label: string }[]): string =>
  `<ul class="legend">${items
    .map(
      ({ shape, label }) =>
        `<li><svg viewBox="0 0 26 14" aria-hidden="true">${shape}</svg>${escapeHtml(label)}</li>`,
    )
    .join('')}</ul>`;

/** How throughput grows with workers: measured, predicted, ideal, the knee, the recommendation. */
export const scalingChart = (sweep: Sweep): string => {
  const cells = [...sweep.cells].sort((a, b) => a.workers - b.workers);
  const ran = cells.filter((cell) => cell.feasible && cell.seconds > 0);
  const simulated = sweep.engine === 'simulate';
  const measured = ran.map((cell) => ({ workers: cell.workers, rate: cell.recordsPerSecond }));
  const predicted = ran
    .filter((cell) => !simulated && cell.predictedSeconds > 0)
    .map((cell) => ({
      workers: cell.workers,
      rate: cell.completeness.records / cell.predictedSeconds,
    }));
  const base = ran.find((cell) => cell.speedup > 0);
  if (base === undefined) return '<p>No cell ran: there is no curve to draw.</p>';

  const { verdict } = sweep;
  const confident = isConfident(sweep);
  const [left, right, top, bottom] = [58, 734, 30, 304];
  const most = Math.max(...cells.map((cell) => cell.workers));
  const ideal = base.recordsPerSecond / base.speedup;
  const step = niceStep(
    1.15 * Math.max(...[...measured, ...predicted].map((point) => point.rate), ideal),
    5,
  );
  const highest =
    step *
    Math.ceil((1.15 * Math.max(...[...measured, ...predicted].map(({ rate }) => rate))) / step);
  const x = (workers: number): number => left + ((right - left) * workers) / (most * 1.04);
  const y = (rate: number): number => bottom - ((bottom - top) * rate) / highest;
  const line = (points: Point[]): string =>
    points.map((point) => `${round(x(point.workers))},${round(y(point.rate))}`).join(' ');
  const upright = (workers: number, from: number, to: number, name: string): string =>
    `<line class="${name}" x1="${round(x(workers))}" x2="${round(x(workers))}" y1="${round(from)}" y2="${round(to)}"/>`;

  const rates = Array.from({ length: Math.round(highest / step) + 1 }, (_, index) => index * step);
  const decimals = Math.max(0, -Math.floor(Math.log10(step)));
  const horizontal = rates.map(
    (rate) =>
      `<line class="${rate === 0 ? 'axis' : 'grid'}" x1="${left}" x2="${right}" y1="${round(y(rate))}" y2="${round(y(rate))}"/>` +
      `<text x="${left - 8}" y="${round(y(rate) + 4)}" text-anchor="end">${rate.toFixed(decimals)}</text>`,
  );

  let lastLabel = Number.NEGATIVE_INFINITY;
  const counts = cells.map(({ workers }) => {
    if (x(workers) - lastLabel < 22) return '';
    lastLabel = x(workers);
    return `<text x="${round(x(workers))}" y="${bottom + 20}" text-anchor="middle">${workers}</text>`;
  });
  const notRun = cells
    .filter((cell) => !cell.feasible)
    .map(
      ({ workers }) =>
        `<text class="knee" x="${round(x(workers))}" y="${bottom - 6}" text-anchor="end" transform="rotate(90 ${round(x(workers))} ${bottom - 6})">over memory</text>`,
    );

  const idealEnd = Math.min(most * 1.04, highest / ideal);
  const { knee } = verdict;
  const kneeShown = confident && knee !== null && knee <= most * 1.04 ? knee : undefined;
  const kneeLeft = kneeShown !== undefined && x(kneeShown) > (left + right) / 2;
  const kneeMark =
    kneeShown === undefined
      ? ''
      : `${upright(kneeShown, top - 14, bottom, 'kneeline')}<text class="knee" x="${round(
          x(kneeShown) + (kneeLeft ? -7 : 7),
        )}" y="${top - 8}" text-anchor="${kneeLeft ? 'end' : 'start'}">knee: ${countOf(kneeShown, 'worker')}</text>`;

  const chosen = verdict.recommendedWorkers;
  const chosenRate = rateAt(measured, chosen);
  const ring =
    chosenRate === undefined
      ? upright(chosen, bottom - 12, bottom, 'chosenline')
      : `${upright(chosen, y(chosenRate) + 9, bottom, 'chosenline')}<circle class="chosenring" cx="${round(x(chosen))}" cy="${round(y(chosenRate))}" r="9"/>`;
  const chosenMark =
    confident && chosen <= most
      ? `${ring}<text class="strong" x="${round(Math.min(x(chosen), right - 30))}" y="${bottom + 40}" text-anchor="middle">run ${chosen}</text>`
      : '';

  const kind = simulated ? 'simulated' : 'measured';
  const description = `${measured
    .map(({ workers, rate }) => `${countOf(workers, 'worker')}: ${short(rate)} records per second`)
    .join('; ')}. ${recommendation(sweep)} ${reason(sweep)}`;
  return `<figure>
${legend([
  {
    shape:
      '<line class="measured" x1="0" x2="26" y1="7" y2="7"/><circle class="measured" cx="13" cy="7" r="4"/>',
    label: kind,
  },
  ...(predicted.length > 0
    ? [
        {
          shape: '<line class="predicted" x1="1" x2="25" y1="7" y2="7"/>',
          label: 'predicted by the simulator',
        },
      ]
    : []),
  {
    shape: '<line class="ideal" x1="0" x2="26" y1="7" y2="7"/>',
    label: 'ideal: linear scaling',
  },
])}
<svg viewBox="0 0 760 372" role="img" aria-labelledby="curve-title curve-text">
<title id="curve-title">Scaling curve: records per second by workers (${kind})</title>
<desc id="curve-text">${escapeHtml(description.trim())}</desc>
${horizontal.join('\n')}
${counts.join('\n')}
<polyline class="ideal" points="${line([
    { workers: 0, rate: 0 },
    { workers: idealEnd, rate: idealEnd * ideal },
  ])}"/>
${kneeMark}
${chosenMark}
<polyline class="measured" points="${line(measured)}"/>
${predicted.length > 0 ? `<polyline class="predicted" points="${line(predicted)}"/>` : ''}
${measured.map((point) => `<circle class="measured" cx="${round(x(point.workers))}" cy="${round(y(point.rate))}" r="4.5"><title>${countOf(point.workers, 'worker')}: ${short(point.rate)} records per second</title></circle>`).join('\n')}
${notRun.join('\n')}
<text x="${left}" y="${top - 16}" text-anchor="end" dx="-8">rec/s</text>
<text x="${round((left + right) / 2)}" y="366" text-anchor="middle">workers</text>
</svg>
</figure>`;
};

/** What share of its time a worker spends in each state, by worker count, as stacked bars. */
export const timeChart = (cells: Cell[]): string => {
  const rows = cells
    .filter((cell) => cell.feasible)
    .map((cell) => {
      const total = states.reduce((sum, { state }) => sum + Math.max(0, cell.absorbed[state]), 0);
      let start = 0;
      const parts = states.map(({ state, label }) => {
        const share = total > 0 ? Math.max(0, cell.absorbed[state]) / total : 0;
        const part = { state, label, share, start };
        start += share;
        return part;
      });
      return { workers: cell.workers, parts: parts.filter(({ share }) => share > 0) };
    });
  if (rows.length === 0) return '<p>No cell ran: there is nothing to divide.</p>';
  const seen = states.filter(({ state }) =>
    rows.some(({ parts }) => parts.some((part) => part.state === state)),
  );
  const [left, width, pitch, height] = [92, 654, 38, 28];
  const bars = rows.map(({ workers, parts }, row) => {
    const label = `<text x="${left - 10}" y="${row * pitch + 22}" text-anchor="end">${countOf(workers, 'worker')}</text>`;
    const segments = parts.map(({ state, label: name, share, start }) => {
      const at = left + start * width;
      const size = share * width;
      const text =
        size >= 42
          ? `<text class="onbar" x="${round(at + size / 2)}" y="${row * pitch + 22}" text-anchor="middle">${formatShare(share)}</text>`
          : '';
      return `<rect class="${state}" x="${round(at)}" y="${row * pitch + 4}" width="${round(Math.max(0.5, size - 1))}" height="${height}"><title>${countOf(workers, 'worker')}: ${name} ${formatShare(share)}</title></rect>${text}`;
    });
    return [label, ...segments].join('');
  });
  const description = rows
    .map(
      ({ workers, parts }) =>
        `${countOf(workers, 'worker')}: ${parts.map(({ label, share }) => `${label} ${formatShare(share)}`).join(', ')}`,
    )
    .join('; ');
  return `<figure>
${legend(
  seen.map(({ state, label }) => ({
    shape: `<rect class="${state}" x="6" y="0" width="14" height="14" rx="3"/>`,
    label,
  })),
)}
<svg viewBox="0 0 760 ${rows.length * pitch + 4}" role="img" aria-labelledby="time-title time-text">
<title id="time-title">Where each worker spends its time, by number of workers</title>
<desc id="time-text">${escapeHtml(description)}</desc>
${bars.join('\n')}
</svg>
</figure>`;
};
