import type { Sweep } from '../model/sweep.ts';
import { scalingChart, states, timeChart } from './charts.ts';
import { commandColumns } from './command-table.ts';
import { escapeHtml } from './escape-html.ts';
import { countOf } from './figures.ts';
import { memoryChart } from './memory-chart.ts';
import {
  actionText,
  bottleneckName,
  circumstances,
  envLines,
  isConfident,
  kneeText,
  nextName,
  reason,
  recommendation,
  scalingColumns,
  scalingNote,
  troubles,
} from './terminal.ts';

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

/** What was seen of a user's own command, from outside. */
const commandTable = (sweep: Sweep): string =>
  `<div class="scroll" role="region" aria-label="The command" tabindex="0"><table>
<thead><tr>${commandColumns.map(({ heading }) => `<th scope="col">${heading}</th>`).join('')}</tr></thead>
<tbody>
${sweep.cells
  .map((cell) => {
    const [first = '', ...rest] = commandColumns.map(({ text }) => escapeHtml(text(cell)));
    return `<tr><th scope="row">${first}</th>${rest.map((text) => `<td>${text}</td>`).join('')}</tr>`;
  })
  .join('\n')}
</tbody>
</table></div>
<p class="soft">Start-up is from the command's start to its first provider request; times in the tables above begin there. The log of each worker count lies beside this page.</p>`;

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

/** Of a command those figures were measured; of a prediction they are the lab's. */
const ofCommand: (typeof standings)[number] = [
  'Own time, memory per worker, size of a record',
  'measured',
  'Seen of the command from outside. The column Predicted uses the lab’s own figures, which are assumptions.',
];

const assumptions = ({ engine }: Sweep): string =>
  `<table class="prose"><thead><tr><th scope="col">Figure</th><th scope="col">Standing</th><th scope="col">Basis</th></tr></thead>
<tbody>
${(engine === 'exec' ? [...standings.slice(0, -1), ofCommand] : standings)
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
    ...(cells.some(({ command }) => command)
      ? [section('The command', commandTable(sweep)), section('Memory', memoryChart(sweep))]
      : []),
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
    section('Documented and assumed figures', assumptions(sweep)),
    section(
      'Provenance',
      `${facts([
        ['Kneepoint', provenance.kneepoint],
        ['Node', provenance.node],
        ...(provenance.k6 === undefined ? [] : [['k6', provenance.k6] as [string, string]]),
        ...(provenance.qdrant === undefined
          ? []
          : [['Qdrant', provenance.qdrant] as [string, string]]),
        ...(provenance.mysql === undefined
          ? []
          : [['MySQL', provenance.mysql] as [string, string]]),
        ...(provenance.services === undefined
          ? []
          : [['Real services', provenance.services] as [string, string]]),
        ...(provenance.command === undefined
          ? []
          : [['Command', provenance.command] as [string, string]]),
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
