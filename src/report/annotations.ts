import { checkSentence, checkTitle, type LabCheck } from '../analyze/check/checks.ts';
import { printable } from './figures.ts';

/** As actions/toolkit writes the message of a workflow command (packages/core/src/command.ts). */
const escapeData = (text: string): string =>
  text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');

/** As actions/toolkit writes a property of one: colons and commas end it. */
const escapeProperty = (text: string): string =>
  escapeData(text).replaceAll(':', '%3A').replaceAll(',', '%2C');

/** GitHub shows no more errors, and no more warnings, of one step. */
const mostOfALevel = 10;

/**
 * What needs a look as annotations of a GitHub workflow run, a line each: errors for what failed or could
 * not be asserted, warnings for what passed with a doubt. `files` has the lab files by lab, as far as
 * labs are files of the repository.
 */
export function renderAnnotations(labs: LabCheck[], files: Map<string, string>): string[] {
  const lines: Record<'error' | 'warning', string[]> = { error: [], warning: [] };
  for (const { lab, checks } of labs)
    for (const check of checks) {
      if (check.status === 'passed') continue;
      const file = files.get(lab);
      const properties = {
        ...(file !== undefined && { file }),
        title: printable(`kneepoint: ${lab}: ${checkTitle(check)}`),
      };
      const list = Object.entries(properties).map(
        ([key, text]) => `${key}=${escapeProperty(text)}`,
      );
      const sentence = `${checkSentence(check)}${check.remedy ? `\n${check.remedy}` : ''}`;
      const level = check.status === 'warned' ? 'warning' : 'error';
      lines[level].push(`::${level} ${list.join(',')}::${escapeData(sentence)}`);
    }
  return Object.entries(lines).flatMap(([level, all]) =>
    all.length <= mostOfALevel
      ? all
      : [
          ...all.slice(0, mostOfALevel - 1),
          `::${level} title=kneepoint::${all.length - mostOfALevel + 1} more, see the job's summary`,
        ],
  );
}
