import type { Sweep } from '../model/sweep.ts';
import { legend, niceStep } from './charts.ts';
import { memorySentence } from './command-table.ts';
import { escapeHtml } from './escape-html.ts';
import { countOf, formatMemory } from './figures.ts';

const round = (value: number): string => String(Math.round(value * 10) / 10);

/** Dashes that tell the lines apart without colours. */
const dashes = ['', '8 4', '3 3', '10 3 2 3', '2 5'];

/** Memory of the command over time, a line for each worker count. */
export const memoryChart = (sweep: Sweep): string => {
  const lines = sweep.cells.flatMap(({ workers, command }) =>
    command && command.memory.samples.length > 1
      ? [{ workers, samples: command.memory.samples }]
      : [],
  );
  if (lines.length === 0) return '<p>No cell ran long enough for a curve.</p>';
  const all = lines.flatMap(({ samples }) => samples);
  const [left, right, top, bottom] = [74, 734, 16, 264];
  const seconds = Math.max(...all.map((sample) => sample.seconds));
  const step = niceStep(1.05 * Math.max(...all.map(({ megabytes }) => megabytes)), 5);
  const highest =
    step * Math.ceil((1.05 * Math.max(...all.map(({ megabytes }) => megabytes))) / step);
  const x = (at: number) => left + ((right - left) * at) / seconds;
  const y = (megabytes: number) => bottom - ((bottom - top) * megabytes) / highest;
  const horizontal = Array.from(
    { length: Math.round(highest / step) + 1 },
    (_, at) => at * step,
  ).map(
    (megabytes) =>
      `<line class="${megabytes === 0 ? 'axis' : 'grid'}" x1="${left}" x2="${right}" y1="${round(y(megabytes))}" y2="${round(y(megabytes))}"/>` +
      `<text x="${left - 8}" y="${round(y(megabytes) + 4)}" text-anchor="end">${formatMemory(megabytes)}</text>`,
  );
  const timeStep = niceStep(seconds, 6);
  const times = Array.from(
    { length: Math.floor(seconds / timeStep) + 1 },
    (_, at) => at * timeStep,
  ).map(
    (at) =>
      `<text x="${round(x(at))}" y="${bottom + 20}" text-anchor="middle">${round(at)} s</text>`,
  );
  const curves = lines.map(
    ({ samples }, at) =>
      `<polyline class="measured" stroke-dasharray="${dashes[at % dashes.length]}" points="${samples
        .map((sample) => `${round(x(sample.seconds))},${round(y(sample.megabytes))}`)
        .join(' ')}"/>`,
  );
  const sentence = memorySentence(sweep);
  return `<figure>
${legend(
  lines.map(({ workers }, at) => ({
    shape: `<line class="measured" stroke-dasharray="${dashes[at % dashes.length]}" x1="0" x2="26" y1="7" y2="7"/>`,
    label: countOf(workers, 'worker'),
  })),
)}
<svg viewBox="0 0 750 296" role="img" aria-label="Memory over time">${[...horizontal, ...times, ...curves].join('\n')}</svg>
<figcaption>Memory of all the command's processes since it was started.${sentence ? ` ${escapeHtml(sentence)}` : ''}</figcaption>
</figure>`;
};
