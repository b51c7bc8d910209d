import type { Check, LabCheck } from '../analyze/check/checks.ts';
import { checkCount } from './check-table.ts';
import { nothing, printable } from './figures.ts';

/** Text as it is, whatever it says: what Markdown or HTML would take for its own becomes an entity. */
const escapeMarkdown = (text: string): string =>
  printable(text).replace(/[&<>|`*_[\]~\\#@]/g, (char) => `&#${char.codePointAt(0)};`);

const marks: Record<Check['status'], string> = {
  passed: '✅ passed',
  warned: '⚠️ warned',
  failed: '❌ failed',
  missing: '❔ missing',
};

function table(checks: Check[]): string {
  const rows = checks.map((check) => {
    const { name, workers, expected, seen, status, remedy } = check;
    const more = remedy && status !== 'passed' ? `. ${remedy}` : '';
    const texts = [name, workers === undefined ? nothing : String(workers), expected, seen + more];
    return `| ${marks[status]} | ${texts.map(escapeMarkdown).join(' | ')} |`;
  });
  return ['| Result | Check | Workers | Expected | Seen |', '|---|---|--:|---|---|', ...rows].join(
    '\n',
  );
}

/** Checks as GitHub Markdown, for a job's summary: what needs a look first, what passed folded away. */
export function renderCheckMarkdown(labs: LabCheck[]): string {
  const sections = labs.map(({ lab, engine, runs, checks }) => {
    const telling = checks.filter(({ status }) => status !== 'passed');
    const passed = checks.filter(({ status }) => status === 'passed');
    const times = runs > 1 ? `, ${runs} runs of each worker count` : '';
    return [
      `### ${escapeMarkdown(lab)} (${engine}${times})`,
      checkCount(checks),
      ...(telling.length > 0 ? [table(telling)] : []),
      ...(passed.length > 0
        ? [`<details><summary>${passed.length} passed</summary>`, table(passed), '</details>']
        : []),
    ].join('\n\n');
  });
  return `## Kneepoint check\n\n${sections.join('\n\n')}\n`;
}
