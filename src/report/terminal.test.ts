import { describe, expect, test } from 'vitest';
import type { Cell, Sweep } from '../model/sweep.ts';
import { exampleSweep } from './example-sweep.ts';
import { formatMemory, formatTime, grouped } from './figures.ts';
import { renderSummary } from './summary.ts';
import { kneeText, renderSweep } from './terminal.ts';

const last = exampleSweep.cells[4] as Cell;
const render = (sweep: Sweep, width?: number) =>
  renderSweep(sweep, width === undefined ? { colour: false } : { colour: false, width });
const tableOf = (text: string) => (text.split('\n\n')[1] ?? '').split('\n').slice(0, 7);
const named = (name: string): Sweep => ({ ...exampleSweep, lab: { ...exampleSweep.lab, name } });

describe('renderSweep', () => {
  test('labels the rows as the test plan does', () => {
    const rows = tableOf(render(exampleSweep)).slice(2);
    expect(rows.map((row) => row.split(' | ').map((entry) => entry.trim()))).toEqual([
      ['1', '60.0 s', '61.2 s', '1x', '100 %', '0', '0', '525 MiB', 'Baseline'],
      ['2', '30.0 s', '30.6 s', '2x', '100 %', '0', '0', '1.0 GiB', '✅ Linear'],
      ['5', '12.0 s', '12.2 s', '5x', '100 %', '0', '0', '2.6 GiB', '✅ Linear'],
      ['10', '8.0 s', '8.2 s', '7.5x', '75 %', '0', '0', '5.1 GiB', '⚠️ Sublinear'],
      ['20', '6.0 s', '6.1 s', '10x', '50 %', '0', '0', '10.3 GiB', '❌ Heavy bottleneck'],
    ]);
  });

  test('aligns the columns, with emoji in the last one only', () => {
    const bars = (line: string) =>
      [...line].flatMap((char, at) => (char === '|' ? [at] : [])).join();
    const lines = tableOf(render(exampleSweep));
    expect(lines).toHaveLength(7);
    expect(new Set(lines.map(bars)).size).toBe(1);
    for (const line of lines) expect(line.slice(0, line.lastIndexOf('|'))).toMatch(/^[ -~]*$/);
  });

  test('gives the verdict, evidence, warnings with remedies and the .env lines', () => {
    const text = render(exampleSweep);
    expect(text).toContain('worked-example · k6 · OpenAI unlimited · Qdrant unlimited');
    expect(text).toContain('Run 8 workers. Qdrant binds at 8.5 workers.');
    expect(text).toContain('Knee        8.5 workers (8 to 10)');
    expect(text).toContain('Action      Upgrade Qdrant OR keep 8 workers');
    expect(text).toContain('few-samples: The run with 20 workers');
    expect(text).toContain('Remedy: Run at least 400 records.');
    expect(text).toContain('  MAX_WORKERS=8\n  BATCH_SIZE=50\n  MYSQL_POOL_SIZE=16\n');
  });

  test('says what was not run, and shows lost records', () => {
    const lossy = {
      ...last,
      completeness: { ...last.completeness, recordsFailed: 3, pointsStored: 776 },
    };
    const text = render({
      ...exampleSweep,
      cells: [lossy, { ...last, workers: 40, feasible: false }],
    });
    expect(text).toMatch(/ 40 \|\s+– .*not run: over memory/);
    expect(text).toContain('| Lost |');
    expect(text).toContain('At 20 workers: 3 of 100 records lost, 24 of 800 points missing.');
    expect(render(exampleSweep)).not.toContain('Lost');
  });

  test.each([
    ['not valid', { ...exampleSweep, valid: false }],
    [
      'undetermined',
      {
        ...exampleSweep,
        verdict: { ...exampleSweep.verdict, bottleneck: 'undetermined' as const },
      },
    ],
  ])('prints no confident number where the run is %s', (word, sweep) => {
    const text = render(sweep);
    expect(text).toContain(word);
    expect(text).not.toMatch(/Run \d|MAX_WORKERS/);
  });

  test('has escape codes with colour only, and lets a lab name bring none', () => {
    const start = '\u001b[';
    expect(render(named(`a${start}31mb`))).not.toContain('\u001b');
    const coloured = renderSweep(exampleSweep, { colour: true });
    expect(coloured).toContain(`${start}1m`);
    expect(
      coloured
        .split(start)
        .map((part, at) => (at ? part.replace(/^\d+m/, '') : part))
        .join(''),
    ).toBe(render(exampleSweep));
  });

  test('keeps prose within a narrow terminal', () => {
    const text = render(exampleSweep, 60);
    const prose = text.split('\n\n').slice(2).join('\n').split('\n');
    for (const line of prose) expect(line.length).toBeLessThanOrEqual(60);
  });
});

test('times are short: tenths below 100 s, hours from 2 h', () => {
  expect([7.58, 24.46, 99.96, 250.4, 7199, 7200, 900_000].map(formatTime)).toEqual([
    '7.6 s',
    '24.5 s',
    '100 s',
    '250 s',
    '7,199 s',
    '2.0 h',
    '250 h',
  ]);
  expect(formatTime(Number.NaN)).toBe('–');
  expect(grouped(1_234_567)).toBe('1,234,567');
  expect([1023, 1024].map(formatMemory)).toEqual(['1,023 MiB', '1.0 GiB']);
});

test('a knee may be exact, an interval, or absent', () => {
  const { verdict } = exampleSweep;
  expect(kneeText({ ...verdict, knee: 2.5, kneeInterval: [2.5, 2.5] })).toBe('2.5 workers');
  expect(kneeText({ ...verdict, knee: null })).toBe('8 to 10 workers');
  expect(kneeText({ ...verdict, knee: null, kneeInterval: null })).toBe('none within the matrix');
});

test('the summary has one aligned line for each lab', () => {
  const text = renderSummary([exampleSweep, { ...named('b'), valid: false }], { colour: false });
  const lines = text.trimEnd().split('\n');
  expect(lines).toHaveLength(3);
  expect(lines[1]).toBe('worked-example  qdrant       8.5    8  Upgrade Qdrant OR keep 8 workers');
  expect(lines[2]).toBe('b               not valid      –    –  Follow the warnings and run again');
  expect(renderSummary([], { colour: false })).toBe('');
});
