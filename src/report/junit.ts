import { type Check, checkSentence, checkTitle, type LabCheck } from '../analyze/check/checks.ts';
import { printable } from './figures.ts';

const entities: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
};

/** Text as XML 1.0 text or attribute value: characters that XML has no way to write are replaced. */
function escapeXml(text: string): string {
  let clean = '';
  for (const char of printable(text)) {
    const code = char.codePointAt(0)!;
    const unwritable = (code >= 0xd800 && code <= 0xdfff) || (code & 0xfffe) === 0xfffe;
    clean += unwritable ? '\ufffd' : (entities[char] ?? char);
  }
  return clean;
}

function testCase(lab: string, check: Check): string {
  const attributes = `classname="kneepoint.${escapeXml(lab)}" name="${escapeXml(checkTitle(check))}" time="0"`;
  const sentence = escapeXml(checkSentence(check));
  const remedy = escapeXml(check.remedy ?? '');
  if (check.status === 'passed') return `    <testcase ${attributes}/>`;
  // An error is JUnit's word for a test that could not be made, a failure for one that did not hold.
  const inner =
    check.status === 'warned'
      ? `<system-out>warning: ${sentence}. ${remedy}</system-out>`
      : check.status === 'failed'
        ? `<failure type="failed" message="${sentence}">${remedy}</failure>`
        : `<error type="missing" message="${sentence}">${remedy}</error>`;
  return `    <testcase ${attributes}>${inner}</testcase>`;
}

const counts = (checks: Check[]): string => {
  const count = (status: Check['status']) =>
    checks.filter((check) => check.status === status).length;
  return `tests="${checks.length}" failures="${count('failed')}" errors="${count('missing')}" skipped="0" time="0"`;
};

/** Checks as JUnit XML: a suite for each lab, a case for each check. What could not be asserted is an error. */
export function renderJunit(labs: LabCheck[]): string {
  const suites = labs.map(({ lab, engine, checks }) =>
    [
      `  <testsuite name="${escapeXml(`${lab} (${engine})`)}" ${counts(checks)}>`,
      ...checks.map((check) => testCase(lab, check)),
      '  </testsuite>',
    ].join('\n'),
  );
  const all = labs.flatMap(({ checks }) => checks);
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="kneepoint check" ${counts(all)}>`,
    ...suites,
    '</testsuites>',
    '',
  ].join('\n');
}
