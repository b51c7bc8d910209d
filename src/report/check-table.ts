import type { Check, CheckStatus, LabCheck } from '../analyze/check/checks.ts';
import { painter, type Style } from './colours.ts';
import { countOf, nothing, printable } from './figures.ts';

/** How a status is written; what needs a look stands out without colours too. */
export const statusText: Record<CheckStatus, string> = {
  passed: 'passed',
  warned: 'WARNED',
  failed: 'FAILED',
  missing: 'MISSING',
};

const styles: Record<CheckStatus, Style> = {
  passed: 'green',
  warned: 'yellow',
  failed: 'red',
  missing: 'red',
};

/** `12 checks passed`, `1 of 12 checks failed, 2 could not be made`. */
export function checkCount(checks: Check[]): string {
  if (checks.length === 0) return 'Nothing was asserted.';
  const count = (status: CheckStatus) => checks.filter((check) => check.status === status).length;
  const [failed, missing, warned] = [count('failed'), count('missing'), count('warned')];
  const parts = [
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(missing > 0 ? [`${missing} could not be made`] : []),
  ];
  const doubts = warned > 0 ? `, ${warned} with a warning` : '';
  if (parts.length > 0)
    return `Of ${countOf(checks.length, 'check')}: ${parts.join(', ')}${doubts}.`;
  return `${countOf(checks.length, 'check')} passed${doubts}.`;
}

function renderLab({ lab, engine, runs, checks }: LabCheck, colour: boolean): string {
  const paint = painter(colour);
  const headings = ['Result', 'Check', 'Workers', 'Expected', 'Seen'];
  const rows = checks.map((check) => [
    statusText[check.status],
    printable(check.name),
    check.workers === undefined ? nothing : String(check.workers),
    printable(check.expected),
    printable(check.seen),
  ]);
  const sizes = headings.map((heading, at) =>
    Math.max(heading.length, ...rows.map((row) => row[at]!.length)),
  );
  const line = (texts: string[]) =>
    texts
      .map((text, at) => (at === 2 ? text.padStart(sizes[at]!) : text.padEnd(sizes[at]!)))
      .join('  ')
      .trimEnd();
  const body = checks.flatMap((check, at) => {
    const text = line(rows[at]!);
    const status = statusText[check.status];
    const row = `${paint(styles[check.status], status)}${text.slice(status.length)}`;
    const remedy = check.remedy && check.status !== 'passed';
    return remedy ? [row, paint('cyan', `         Remedy: ${printable(check.remedy!)}`)] : [row];
  });
  const times = runs > 1 ? ` · ${runs} runs of each worker count` : '';
  const head = `${paint('bold', printable(lab))} · ${engine}${times}`;
  const table = checks.length > 0 ? ['', paint('bold', line(headings)), ...body, ''] : [];
  return [head, ...table, checkCount(checks)].join('\n');
}

/** What was asserted of each lab, what was seen, and how it came out, for a terminal. */
export const renderChecks = (labs: LabCheck[], { colour }: { colour: boolean }): string =>
  `${labs.map((lab) => renderLab(lab, colour)).join('\n\n')}\n`;
