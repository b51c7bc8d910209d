import type { Cell, Sweep, WorkerState } from '../model/sweep.ts';
import {
  actionText,
  bottleneckName,
  circumstances,
  countOf,
  envLines,
  formatShare,
  isConfident,
  kneeText,
  nextName,
  printable,
  reason,
  recommendation,
  scalingColumns,
  scalingNote,
  short,
  troubles,
} from './terminal.ts';

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

/** The states in the order of a worker's day, and what each is called. */
const states: { state: WorkerState; label: string }[] = [
  { state: 'read', label: 'MySQL read' },
  { state: 'compute', label: 'own CPU' },
  { state: 'embed', label: 'OpenAI' },
  { state: 'qdrant', label: 'Qdrant' },
  { state: 'backoff', label: 'rejected and waiting' },
  { state: 'idle', label: 'idle' },
];

const style = `
:root { color-scheme: light dark; --paper: #fbfbf9; --card: #ffffff; --ink: #1c2024; --soft: #5c646d;
  --line: #dfe2e6; --accent: #0b62c4; --predicted: #a35a00; --good: #1a7f43; --warn: #8a5a00; --bad: #c0322b;
  --warnback: #fff6e0; --read: #9ecae9; --compute: #f2d06b; --embed: #8fd0a8; --qdrant: #c9a7e8;
  --backoff: #f2907a; --idle: #c8ccd2; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #14171a; --card: #1c2024; --ink: #e8eaed; --soft: #a3abb4; --line: #363c43;
    --accent: #6cb2ff; --predicted: #f0a850; --good: #5fcf8c; --warn: #f0c060; --bad: #ff8178; --warnback: #2e2818; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 2.1rem; line-height: 1.2; margin: .2rem 0 .4rem; text-wrap: balance; }
h1 span { color: var(--soft); font-weight: 500; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; }
p { margin: .4rem 0; }
.soft, figcaption { color: var(--soft); font-size: .9rem; }
.action { font-size: 1.1rem; }
dl.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: .75rem; margin: 1.2rem 0 0; }
dl.facts div { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: .6rem .9rem; }
dt { color: var(--soft); font-size: .85rem; }
dd { margin: 0; font-weight: 600; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: .95rem; }
th, td { padding: .4rem .6rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
thead th { color: var(--soft); font-weight: 500; font-size: .85rem; }
td.note, th.note { text-align: left; }
tr.chosen { background: color-mix(in srgb, var(--accent) 10%, transparent); }
table.prose th, table.prose td { text-align: left; white-space: normal; vertical-align: top; font-weight: 400; }
.green { color: var(--good); } .yellow { color: var(--warn); } .red { color: var(--bad); } .dim { color: var(--soft); }
figure { margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: .9rem 1rem .6rem; }
svg { display: block; width: 100%; height: auto; }
svg text { font: 13px system-ui, sans-serif; fill: var(--soft); font-variant-numeric: tabular-nums; }
svg text.onbar { fill: #1c2024; } svg text.strong { fill: var(--accent); font-weight: 600; } svg text.knee { fill: var(--bad); font-weight: 600; }
.grid { stroke: var(--line); } .axis { stroke: var(--soft); }
.measured { stroke: var(--accent); fill: none; stroke-width: 2.5; } circle.measured { fill: var(--card); }
.predicted { stroke: var(--predicted); fill: none; stroke-width: 2; stroke-dasharray: 2 4; stroke-linecap: round; }
.ideal { stroke: var(--soft); fill: none; stroke-width: 1.5; stroke-dasharray: 7 5; }
.kneeline { stroke: var(--bad); stroke-width: 1.5; stroke-dasharray: 4 3; }
.chosenline { stroke: var(--accent); stroke-width: 1; } .chosenring { fill: none; stroke: var(--accent); stroke-width: 2; }
${states.map(({ state }) => `.${state} { fill: var(--${state}); }`).join(' ')}
ul.legend { list-style: none; display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; margin: 0 0 .5rem; padding: 0; font-size: .88rem; color: var(--soft); }
ul.legend li { display: flex; align-items: center; gap: .45rem; } ul.legend svg { width: 26px; height: 14px; }
.warning { background: var(--warnback); border-left: 4px solid var(--warn); border-radius: .3rem; padding: .6rem .9rem; margin: .6rem 0; }
pre { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: .8rem 1rem; overflow-x: auto; font-size: .9rem; }
code { overflow-wrap: anywhere; }
details { margin-top: .8rem; } summary { cursor: pointer; }
@media print { main { max-width: none; } figure, tr { break-inside: avoid; } }
`;

const round = (value: number): string => String(Math.round(value * 10) / 10);

/** A step of 1, 2 or 5 times a power of ten that cuts `max` into at most `parts` parts. */
const niceStep = (max: number, parts: number): number => {
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

const legend = (items: { shape: string; label: string }[]): string =>
  `<ul class="legend">${items
    .map(
      ({ shape, label }) =>
        `<li><svg viewBox="0 0 26 14" aria-hidden="true">${shape}</svg>${escapeHtml(label)}</li>`,
    )
    .join('')}</ul>`;

/** How throughput grows with workers: measured, predicted, ideal, the knee, the recommendation. */
const scalingChart = (sweep: Sweep): string => {
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
const timeChart = (cells: Cell[]): string => {
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

/** The scaling table; the row of the recommended count is marked where the matrix has it. */
const scalingTable = (sweep: Sweep): string => {
  const columns = scalingColumns(sweep.cells);
  const rows = sweep.cells.map((cell) => {
    const [first = '', ...rest] = columns.map(({ text }) => escapeHtml(text(cell)));
    const note = scalingNote(cell);
    const chosen = isConfident(sweep) && cell.workers === sweep.verdict.recommendedWorkers;
    return `<tr${chosen ? ' class="chosen"' : ''}><th scope="row">${first}</th>${rest
      .map((text) => `<td>${text}</td>`)
      .join(
        '',
      )}<td class="note ${note.style}">${escapeHtml(note.text)}${chosen ? ' (recommended)' : ''}</td></tr>`;
  });
  return `<div class="scroll" role="region" aria-label="Scaling table" tabindex="0"><table>
<thead><tr>${columns.map(({ heading }) => `<th scope="col">${heading}</th>`).join('')}<th scope="col" class="note">Scaling</th></tr></thead>
<tbody>
${rows.join('\n')}
</tbody>
</table></div>`;
};

/** Which figures are somebody's word and which are assumed. */
const standings: [figure: string, standing: string, basis: string][] = [
  [
    'OpenAI limits of free and tier-1 to tier-5',
    'documented',
    'OpenAI’s published rate limits for embedding models. Your own account’s limits page decides.',
  ],
  [
    'OpenAI limits of test-plan-tier-1 and test-plan-tier-2',
    'assumption',
    'The test plan’s own tiers, not OpenAI’s.',
  ],
  [
    'Qdrant plans: slots, latency, points per second',
    'assumption',
    'Assumed for each plan. Measure your own cluster and set the figures in the lab.',
  ],
  [
    'Read, CPU and service times, memory per worker',
    'assumption',
    'Set in the lab. The defaults are the test plan’s 600 ms a record and 525 MB a worker.',
  ],
];

const assumptions = (): string =>
  `<table class="prose"><thead><tr><th scope="col">Figure</th><th scope="col">Standing</th><th scope="col">Basis</th></tr></thead>
<tbody>
${standings
  .map(
    ([figure, standing, basis]) =>
      `<tr><th scope="row">${escapeHtml(figure)}</th><td>${standing}</td><td>${escapeHtml(basis)}</td></tr>`,
  )
  .join('\n')}
</tbody></table>`;

const facts = (entries: [name: string, value: string][]): string =>
  `<dl class="facts">${entries
    .map(([name, value]) => `<div><dt>${name}</dt><dd>${escapeHtml(value)}</dd></div>`)
    .join('')}</dl>`;

const list = (items: string[]): string =>
  `<ul>${items.map((item) => `<li>${escapeHtml(item)}</li>`).join('')}</ul>`;

const section = (heading: string, content: string): string =>
  `<section>\n<h2>${heading}</h2>\n${content}\n</section>`;

/** A sweep as one self-contained page: no scripts, nothing loaded from anywhere. */
export const renderHtml = (sweep: Sweep): string => {
  const { lab, cells, verdict, warnings, provenance } = sweep;
  const confident = isConfident(sweep);
  const problems = troubles(cells);
  const computed = !cells.some((cell) => cell.feasible && cell.memory.measured);
  const name = escapeHtml(lab.name);
  const sections = [
    section(
      'Scaling',
      `${scalingTable(sweep)}
<p class="soft">Times are virtual (true) seconds. Efficiency is speedup per worker: 100 % is linear scaling.${
        computed ? ' Memory is computed from the lab, not measured.' : ''
      }</p>${problems.length > 0 ? `<div class="red">${list(problems)}</div>` : ''}`,
    ),
    section('Scaling curve', scalingChart(sweep)),
    section('Where each worker spends its time', timeChart(cells)),
    ...(verdict.evidence.length > 0 ? [section('Evidence', list(verdict.evidence))] : []),
    ...(warnings.length > 0
      ? [
          section(
            'Warnings',
            warnings
              .map(
                ({ code, message, remedy }) =>
                  `<div class="warning"><p><strong>${escapeHtml(code)}</strong>: ${escapeHtml(message)}</p><p>Remedy: ${escapeHtml(remedy)}</p></div>`,
              )
              .join('\n'),
          ),
        ]
      : []),
    ...(confident
      ? [
          section(
            'Paste into <code>.env</code>',
            `<pre>${escapeHtml(envLines(verdict).join('\n'))}</pre>`,
          ),
        ]
      : []),
    section('Documented and assumed figures', assumptions()),
    section(
      'Provenance',
      `${facts([
        ['Kneepoint', provenance.kneepoint],
        ['Node', provenance.node],
        ...(provenance.k6 === undefined ? [] : [['k6', provenance.k6] as [string, string]]),
        ...(provenance.startedAt === undefined
          ? []
          : [['Started', provenance.startedAt] as [string, string]]),
        ['Seed', String(lab.seed)],
        ...(sweep.engine === 'k6' ? [['Speed', `${lab.speed}x`] as [string, string]] : []),
        ['Lab hash', provenance.labHash],
      ])}
<details><summary>The whole lab</summary><pre>${escapeHtml(JSON.stringify(lab, null, 2))}</pre></details>`,
    ),
  ];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"/>
<title>${name}: ${escapeHtml(recommendation(sweep))}</title>
<style>${style}</style>
</head>
<body>
<main>
<header>
<p class="soft"><strong>${name}</strong> · ${circumstances(sweep).map(escapeHtml).join(' · ')}</p>
<h1>${escapeHtml(recommendation(sweep))} <span>${escapeHtml(reason(sweep))}</span></h1>
<p class="action">${escapeHtml(actionText(sweep))}.</p>
${
  confident
    ? facts([
        ['Bottleneck', bottleneckName(verdict.bottleneck)],
        ['Knee', kneeText(verdict)],
        ['Run', countOf(verdict.recommendedWorkers, 'worker')],
        ['Binds next', nextName(verdict)],
      ])
    : ''
}
</header>
${sections.join('\n')}
</main>
</body>
</html>
`;
};
