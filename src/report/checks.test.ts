import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import type { LabCheck } from '../analyze/check/checks.ts';
import { renderAnnotations } from './annotations.ts';
import { checkCount, renderChecks } from './check-table.ts';
import { renderJunit } from './junit.ts';
import { renderCheckMarkdown } from './markdown.ts';

/** One check of each kind, with everything in its texts that XML, Markdown or a workflow command could trip over. */
const hostileChecks: LabCheck[] = [
  {
    lab: 'my-lab',
    engine: 'k6',
    runs: 3,
    outcome: 'failed',
    checks: [
      { name: 'expect.complete', workers: 1, expected: 'all', seen: 'all', status: 'passed' },
      {
        name: 'expect.maxSeconds',
        workers: 5,
        expected: 'at most 20 s, <b>not</b> & "more"',
        seen: '100 % | 24.6 s\n::error::nested\u0007\ud800\uffff',
        status: 'failed',
        remedy: 'Line one,\r\nline two: see `docs` @someone',
      },
      {
        name: 'baseline.seconds',
        workers: 5,
        expected: 'at most 10 % over 12 s',
        seen: '13.3 s',
        status: 'missing',
        remedy: 'Run with --repeats 3.',
      },
      {
        name: 'expect.maxRateLimited',
        expected: 'at most 0 429s',
        seen: '0 429s',
        status: 'warned',
        remedy: 'Run at least 5250 records.',
      },
    ],
  },
  { lab: 'other', engine: 'simulate', runs: 1, outcome: 'passed', checks: [] },
];

/** What a reader who knows nothing of us makes of the XML. */
const reader = `
import json, sys, xml.etree.ElementTree as tree
root = tree.fromstring(sys.stdin.buffer.read())
print(json.dumps([root.tag, root.attrib, [
  [suite.attrib, [[case.attrib, [[part.tag, part.attrib, part.text] for part in case]] for case in suite]]
  for suite in root]]))`;

type Part = [tag: string, attributes: Record<string, string>, text: string | null];
type Suite = [Record<string, string>, [Record<string, string>, Part[]][]];

test('a real XML reader finds every check in the JUnit file, with its text whole', () => {
  const { stdout, stderr, status } = spawnSync('python3', ['-c', reader], {
    input: renderJunit(hostileChecks),
    encoding: 'utf8',
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  const [root, totals, suites] = JSON.parse(stdout) as [string, Record<string, string>, Suite[]];
  expect(root).toBe('testsuites');
  expect(totals).toMatchObject({ tests: '4', failures: '1', errors: '1', skipped: '0' });
  expect(suites.map(([suite]) => suite.name)).toEqual(['my-lab (k6)', 'other (simulate)']);
  const [[, cases]] = suites as [Suite];
  expect(cases.map(([{ name }]) => name)).toEqual([
    'expect.complete at 1 worker',
    'expect.maxSeconds at 5 workers',
    'baseline.seconds at 5 workers',
    'expect.maxRateLimited',
  ]);
  expect(cases.map(([, parts]) => parts.map(([tag]) => tag))).toEqual([
    [],
    ['failure'],
    ['error'],
    ['system-out'],
  ]);
  const [, attributes, text] = cases[1]![1][0]!;
  expect(attributes.message).toBe(
    'expected at most 20 s, <b>not</b> & "more", saw 100 % | 24.6 s ::error::nested \ufffd\ufffd',
  );
  expect(text).toBe('Line one,  line two: see `docs` @someone');
});

/** As the runner of GitHub Actions reads a line (ActionCommand.TryParseV2). */
function parsed(line: string) {
  const [, level, properties, message] = /^::(\w+) (.*?)::(.*)$/.exec(line)!;
  const plain = (text: string) =>
    text
      .replaceAll('%2C', ',')
      .replaceAll('%3A', ':')
      .replaceAll('%0A', '\n')
      .replaceAll('%0D', '\r')
      .replaceAll('%25', '%');
  const pairs = properties!.split(',').map((pair) => pair.split(/=(.*)/s).slice(0, 2).map(plain));
  return { level, properties: Object.fromEntries(pairs), message: plain(message!) };
}

test('annotations are one line each and come back whole', () => {
  const lines = renderAnnotations(hostileChecks, new Map([['my-lab', 'labs/a,b:c.yaml']]));
  expect(lines).toHaveLength(3);
  for (const line of lines) expect(line).not.toMatch(/[\r\n]/);
  expect(lines[0]).toContain(
    'file=labs/a%2Cb%3Ac.yaml,title=kneepoint%3A my-lab%3A expect.maxSeconds at 5',
  );
  expect(parsed(lines[0]!)).toEqual({
    level: 'error',
    properties: {
      file: 'labs/a,b:c.yaml',
      title: 'kneepoint: my-lab: expect.maxSeconds at 5 workers',
    },
    message:
      'expected at most 20 s, <b>not</b> & "more", saw 100 % | 24.6 s\n::error::nested\u0007\ud800\uffff\nLine one,\r\nline two: see `docs` @someone',
  });
  expect(lines.map((line) => parsed(line).level)).toEqual(['error', 'error', 'warning']);
});

test('GitHub shows ten errors of a step: the tenth line says how many there are more', () => {
  const many = hostileChecks.map((lab) => ({
    ...lab,
    checks: Array.from({ length: 12 }, () => hostileChecks[0]!.checks[1]!),
  }));
  const lines = renderAnnotations(many, new Map());
  expect(lines).toHaveLength(10);
  expect(lines[9]).toBe("::error title=kneepoint::15 more, see the job's summary");
});

test('the summary has what needs a look first, and no text of ours becomes markup', () => {
  const markdown = renderCheckMarkdown(hostileChecks);
  const rows = markdown
    .split('\n')
    .filter((line) => line.startsWith('| ') && !line.includes('---'));
  // A heading and three checks, then a heading and the one that passed.
  expect(rows).toHaveLength(6);
  for (const row of rows) expect(row.split('|')).toHaveLength(7);
  expect(rows[1]).toContain('❌ failed');
  expect(rows[1]).toContain('&#60;b&#62;not&#60;/b&#62; &#38;');
  expect(markdown).not.toMatch(/<b>|`|@someone/);
  expect(markdown.indexOf('❔ missing')).toBeLessThan(markdown.indexOf('<details>'));
  expect(markdown).toContain('### my-lab (k6, 3 runs of each worker count)');
});

test('the terminal shows each check in a line, with the remedy where it is needed', () => {
  const text = renderChecks(hostileChecks, { colour: false });
  expect(text).toMatch(/^my-lab · k6 · 3 runs of each worker count$/m);
  expect(text).toMatch(/^passed +expect\.complete +1 +all +all$/m);
  expect(text).toMatch(/^FAILED +expect\.maxSeconds +5 .*24\.6 s ::error::nested/m);
  expect(text).toMatch(/^MISSING +baseline\.seconds.*\n +Remedy: Run with --repeats 3\.$/m);
  expect(text).toMatch(/^WARNED +expect\.maxRateLimited +– /m);
  expect(text).toContain('Of 4 checks: 1 failed, 1 could not be made, 1 with a warning.');
  expect(text).not.toContain('\u0007');
  expect(renderChecks(hostileChecks, { colour: true })).toContain('\u001b[31mFAILED\u001b[0m');
});

test('what passed is counted as such', () => {
  const [passed, , , warned] = hostileChecks[0]!.checks;
  expect(checkCount([])).toBe('Nothing was asserted.');
  expect(checkCount([passed!])).toBe('1 check passed.');
  expect(checkCount([passed!, warned!])).toBe('2 checks passed, 1 with a warning.');
});
