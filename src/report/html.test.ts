import { describe, expect, test } from 'vitest';
import type { Cell, Sweep } from '../model/sweep.ts';
import { escapeHtml } from './escape-html.ts';
import { exampleSweep } from './example-sweep.ts';
import { renderHtml } from './html.ts';

const last = exampleSweep.cells[4] as Cell;

/** Names of elements that are not closed in order. All of the page is written as XML would be. */
const unbalanced = (html: string): string[] => {
  const open: string[] = [];
  const wrong: string[] = [];
  const tag = /<(\/?)([a-z0-9]+)((?:\s+[\w-]+="[^"<]*")*)\s*(\/?)>/g;
  const body = html.replace('<!doctype html>', '');
  for (const [, closing, name = '', , self] of body.matchAll(tag)) {
    if (closing) {
      if (open.pop() !== name) wrong.push(name);
    } else if (!self) {
      open.push(name);
    }
  }
  const rest = body.replace(tag, '');
  return [...wrong, ...open, ...(rest.match(/<[^>]*|&(?!(amp|lt|gt|quot|#39);)/g) ?? [])];
};

const infeasible: Sweep = {
  ...exampleSweep,
  cells: exampleSweep.cells.map((cell) => ({ ...cell, feasible: false })),
};
const hostile: Sweep = {
  ...exampleSweep,
  lab: { ...exampleSweep.lab, name: '<script>alert("1" & \'2\')</script>' },
  verdict: { ...exampleSweep.verdict, action: '<b>', evidence: ['</style><img src="//x">'] },
  warnings: [{ code: '<i>', message: '&', remedy: '"' }],
};
const cases: [string, Sweep][] = [
  ['the example', exampleSweep],
  ['hostile text', hostile],
  ['no cell that ran', infeasible],
  ['no cells', { ...exampleSweep, cells: [] }],
  ['a simulation', { ...exampleSweep, engine: 'simulate', warnings: [] }],
  ['an invalid run', { ...exampleSweep, valid: false }],
  ['one cell over memory', { ...exampleSweep, cells: [last, { ...last, feasible: false }] }],
];

describe('renderHtml', () => {
  test.each(cases)('is well-formed, with numbers that are numbers: %s', (_name, sweep) => {
    const html = renderHtml(sweep);
    expect(unbalanced(html)).toEqual([]);
    expect(html).not.toMatch(/NaN|Infinity|undefined</);
  });

  test.each(cases)('runs and loads nothing: %s', (_name, sweep) => {
    const html = renderHtml(sweep);
    expect(html).not.toMatch(/<(script|img|link|iframe|object|a)\b/i);
    expect(html).not.toMatch(/<[^>]*\s(src|href|on[a-z]+)=/i);
    expect(html).not.toMatch(/https?:|@import|url\(/i);
  });

  test('escapes a script in the name of a lab, wherever the name stands', () => {
    const html = renderHtml(hostile);
    expect(html).not.toContain('<script');
    expect(html.split('&lt;script&gt;alert(').length).toBeGreaterThan(3);
    expect(escapeHtml('<&>"\'\n\u0007')).toBe('&lt;&amp;&gt;&quot;&#39;\n ');
  });

  test('opens with a verdict that a stranger understands', () => {
    const html = renderHtml(exampleSweep);
    expect(html).toContain('<h1>Run 8 workers. <span>Qdrant binds at 8.5 workers.</span></h1>');
    const openai = renderHtml({
      ...exampleSweep,
      verdict: {
        ...exampleSweep.verdict,
        bottleneck: 'openai-tpm',
        knee: 2.5,
        recommendedWorkers: 2,
      },
    });
    expect(openai).toContain(
      'Run 2 workers. <span>OpenAI tokens per minute bind at 2.5 workers.</span>',
    );
  });

  test('holds table, curve, time, evidence, warnings, settings, provenance and the lab', () => {
    const html = renderHtml(exampleSweep);
    for (const text of [
      '<th scope="col">Efficiency</th>',
      '<th scope="row">20</th>',
      '❌ Heavy bottleneck',
      'knee: 8.5 workers',
      '>run 8</text>',
      '20 workers: Qdrant 60 %',
      'Efficiency falls from 100 %',
      'Remedy: Run at least 400 records.',
      'MAX_WORKERS=8\nBATCH_SIZE=50\nMYSQL_POOL_SIZE=16',
      'assumption',
      '5f3a09c1',
      '&quot;batchSize&quot;: 50',
    ]) {
      expect(html).toContain(text);
    }
    expect(
      html.match(/<svg[^>]*role="img"[^>]*>\s*<title[^>]*>[^<]+<\/title>\s*<desc/g),
    ).toHaveLength(2);
    expect(html).toContain('prefers-color-scheme: dark');
  });

  test('recommends nothing where the run is not valid', () => {
    const html = renderHtml({ ...exampleSweep, valid: false });
    expect(html).toContain('This run is not valid');
    expect(html).not.toMatch(/MAX_WORKERS|Run 8|>run 8|knee: /);
  });

  test('marks a recommendation that lies between measured and impossible counts', () => {
    const cells = exampleSweep.cells.map((cell) =>
      cell.workers === 20 ? { ...cell, feasible: false } : cell,
    );
    const html = renderHtml({
      ...exampleSweep,
      cells,
      verdict: { ...exampleSweep.verdict, bottleneck: 'memory', recommendedWorkers: 12 },
    });
    expect(html).toContain('>run 12</text>');
    expect(html).toContain('over memory</text>');
  });
});
