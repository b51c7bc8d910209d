/** `calibrate`, `report` and `init` as a user types them. */
import { spawn, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { checkLab } from '../../src/lab-file.ts';
import type { Sweep } from '../../src/model/sweep.ts';
import { packageRoot } from '../../src/package-root.ts';

const folder = mkdtempSync(join(tmpdir(), 'kneepoint-calibrate-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const cli = join(packageRoot, 'src/cli.ts');

function kneepoint(args: string[], input = '') {
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, ...args], {
    cwd: folder,
    encoding: 'utf8',
    input,
    env: { ...process.env, NO_COLOR: '1' },
    maxBuffer: 64 * 1024 * 1024,
  });
  return { status, stdout, stderr };
}
let files = 0;
const file = (content: string, ending = 'txt') => {
  const name = `input-${++files}.${ending}`;
  writeFileSync(join(folder, name), content);
  return name;
};
const labIn = (name: string) => {
  const text = readFileSync(join(folder, name), 'utf8');
  return { text, lab: checkLab(parse(text), name) };
};

const headers = `HTTP/2 200
date: Mon, 02 Nov 2026 10:00:00 GMT
openai-model: text-embedding-3-small
x-ratelimit-limit-requests: 5000
x-ratelimit-limit-tokens: 5000000
x-ratelimit-remaining-requests: 4999
x-ratelimit-remaining-tokens: 4999000
x-ratelimit-reset-requests: 12ms
x-ratelimit-reset-tokens: 12ms
`;
/** Quantiles of a lognormal, the same in any order: 100 e^(0.5 z) shifted by 200. */
const latencies = (factor = 1) => {
  // Box and Muller's pairs from an irrational step: spread evenly, and the same everywhere.
  const values = Array.from({ length: 1_000 }, (_, at) => {
    const u = ((at + 0.5) * 0.6180339887498949) % 1;
    const v = ((at + 0.5) * 0.7548776662466927) % 1;
    const z = Math.sqrt(-2 * Math.log(u)) * Math.cos(2 * Math.PI * v);
    return factor * (200 + 100 * Math.exp(0.5 * z));
  });
  return values.map((ms) => ms.toFixed(4)).join('\n');
};

describe('calibrate', () => {
  test('writes a lab from headers and latencies that simulate runs, and says where each figure is from', () => {
    const embed = file(`latency_ms\n${latencies()}\n`, 'csv');
    const upserts = file(`{"duration_s": 0.05, "points": 8}\n`.repeat(50), 'jsonl');
    const sources = ['--openai-latencies', embed, '--qdrant-latencies', upserts];
    const done = kneepoint([
      'calibrate',
      'openai-tier-1',
      ...['--headers', file(headers), ...sources, '--out', 'first.yaml'],
    ]);
    expect(done).toMatchObject({ status: 0, stderr: '' });
    expect(done.stdout).toMatch(/^openai\.tier +tier-1 +tier-3 +measured, input-\d+\.txt/m);
    expect(done.stdout).toMatch(/^qdrant\.latency +\{ fixed: 120 \} +\{ fixed: 50 \}/m);
    expect(done.stdout).toMatch(/^Still assumed: workload\.chunksPerRecord, /m);
    expect(done.stdout).not.toMatch(/Still assumed:.*openai\.latency/);

    const { text, lab } = labIn('first.yaml');
    expect(lab.openai.limits).toEqual({ rpm: 5_000, tpm: 5_000_000 });
    // 200 + 100 e^(0.5 z): 300, 427.6 and 520.0
    const { p50, p95, p99 } = lab.openai.latency;
    expect(Math.abs(p50! / 300 - 1)).toBeLessThan(0.03);
    expect(Math.abs(p95! / 427.6 - 1)).toBeLessThan(0.05);
    expect(Math.abs(p99! / 520 - 1)).toBeLessThan(0.08);
    const values = text.split('\n').filter((line) => /^ *[\w-]+: [^#]*\S/.test(line));
    expect(values.length).toBeGreaterThan(40);
    for (const line of values)
      expect(line).toMatch(/# (measured: |documented: |assumed[:;] |chosen; )/);
    expect(text).toMatch(
      /latency: \{ p50: .*# measured: 1000 samples, shifted lognormal.*\.csv of 20/,
    );
    expect(text).not.toContain(folder);

    const simulated = kneepoint(['simulate', 'first.yaml', '--json']);
    expect([0, 3]).toContain(simulated.status);
    expect((JSON.parse(simulated.stdout) as Sweep).lab).toEqual(lab);
  });

  test('goes on from its own file: what was measured before stays measured', () => {
    const again = kneepoint(
      ['calibrate', 'first.yaml', '--qdrant-latencies', '-', '--out', 'second.yaml'],
      `${'70\n'.repeat(40)}`,
    );
    expect(again.status).toBe(0);
    const { text, lab } = labIn('second.yaml');
    expect(lab.qdrant.latency).toEqual({ fixed: 70 });
    expect(lab.openai).toEqual(labIn('first.yaml').lab.openai);
    expect(text).toMatch(/tier: tier-3 # measured: /);
    expect(text).toMatch(/latency: \{ fixed: 70 \} # measured: 40 samples.*stdin of 20/);
    expect(again.stdout).not.toMatch(/Still assumed:.*openai\./);
  });

  test('without --out prints the lab on stdout and the table on stderr', () => {
    const { status, stdout, stderr } = kneepoint(['calibrate', '--headers', '-'], headers);
    expect(status).toBe(0);
    const lab = checkLab(parse(stdout), 'stdout');
    expect(lab).toMatchObject({ openai: { tier: 'tier-3' } });
    // What `linear` has to show, this one hasn't.
    expect(lab.expect).toEqual({});
    expect(stderr).toMatch(/^Field +Was +Is +By/);
  });

  test('does not overwrite, unless it must', () => {
    const path = join(folder, 'mine.yaml');
    writeFileSync(path, 'name: mine\n');
    const args = ['calibrate', '--headers', '-', '--out', 'mine.yaml'];
    expect(kneepoint(args, headers)).toMatchObject({
      status: 2,
      stderr: 'kneepoint: --out: mine.yaml exists; add --force to replace it\n',
    });
    expect(readFileSync(path, 'utf8')).toBe('name: mine\n');
    expect(kneepoint([...args, '--force'], headers).status).toBe(0);
    expect(labIn('mine.yaml').lab.openai.tier).toBe('tier-3');
  });

  const timeouts = `${latencies()}\n${'5000\n'.repeat(20)}`;
  test.each([
    ['no source', [], '', /give at least one of --headers/],
    [
      'a file that is not there',
      ['--headers', 'nowhere.txt'],
      '',
      /--headers: cannot read nowhere\.txt \(ENOENT: no such file\)/,
    ],
    [
      'headers without limits',
      ['--headers', '-'],
      'HTTP/2 401\nserver: x\n',
      /--headers: stdin: none of 1 answers/,
    ],
    [
      'stdin twice',
      ['--headers', '-', '--openai-latencies', '-'],
      '',
      /stdin \(-\) can be only one/,
    ],
    [
      'too few samples',
      ['--openai-latencies', '-'],
      '300\n301\n',
      /--openai-latencies: stdin: 2 samples carry no latency/,
    ],
    [
      'timeouts',
      ['--openai-latencies', '-'],
      timeouts,
      /20 of 1020 samples stand at 5000 ms.*--drop-from 4950/,
    ],
    ['an artefact', ['--qdrant-latencies', '-'], '{"p50":300,"p95":450,"p99":2500}', /sigma 3\.9/],
    [
      'no such column',
      ['--openai-latencies', '-', '--column', 'x'],
      'a,b\n1,2\n',
      /has no column x; it has a, b/,
    ],
    [
      'a time that is none',
      ['--openai-latencies', '-', '--drop-from', 'soon'],
      '1\n',
      /--drop-from: must be milliseconds/,
    ],
    [
      'headers of another model',
      ['--headers', '-', '--model', 'foo'],
      headers,
      /--headers: stdin: the answers are of text-embedding-3-\w+, not of --model foo; give that/,
    ],
    [
      'headers that say no limit',
      ['--headers', '-'],
      'HTTP/2 200\nx-ratelimit-limit-requests: -5\nx-ratelimit-limit-tokens: abc\n',
      /x-ratelimit-limit-requests "-5" and x-ratelimit-limit-tokens "abc": a limit must be/,
    ],
    [
      'a model without headers',
      ['--openai-latencies', '-', '--model', 'foo'],
      latencies(),
      /--model: chooses among --headers/,
    ],
    ['a column of headers', ['--headers', '-', '--column', 'x'], headers, /--column: is about lat/],
    ['a folder for a file', ['--headers', '-', '--out', '.'], headers, /--out: \. is a folder/],
    ['no such lab', ['lineer', '--headers', '-'], headers, /did you mean linear/],
    ['a folder without a run', ['--exec', '.'], '', /--exec: cannot read .*sweep\.json/],
  ])('%s is one line and exit code 2', (_, args, input, message) => {
    const { status, stdout, stderr } = kneepoint(['calibrate', ...args], input);
    expect(stderr).toMatch(message);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  });

  test('what it advises helps: timeouts left out, the rest is a latency', () => {
    const { status, stdout } = kneepoint(
      ['calibrate', '--openai-latencies', '-', '--drop-from', '4950'],
      timeouts,
    );
    expect(status).toBe(0);
    expect(Math.abs(checkLab(parse(stdout), 'stdout').openai.latency.p50! / 300 - 1)).toBeLessThan(
      0.03,
    );
  });
});

describe('exec, calibrate, simulate, report', () => {
  const lab = file(
    `name: quick
workers: [1, 2]
workload: { records: 30, chunksPerRecord: 9, bytesPerChunk: 900 }
openai: { latency: { fixed: 120 } }
qdrant: { latency: { fixed: 60 } }
`,
    'yaml',
  );
  const pipeline = join(packageRoot, 'test/commands/exec/pipeline.mjs');
  let run: ReturnType<typeof kneepoint>;
  let results: string;
  beforeAll(() => {
    run = kneepoint([
      ...['exec', lab, '--no-mysql', '--json', '--out', 'runs', '--'],
      ...[process.execPath, pipeline, '--workers', '{workers}', '--records', '{records}'],
    ]);
    results = join('runs', readdirSync(join(folder, 'runs'))[0]!);
  }, 60_000);
  const sweep = () => JSON.parse(run.stdout) as Sweep;

  test("gives the pipeline's own sizes, and the times that were measured within 5 %", () => {
    for (const { command } of sweep().cells) expect(command).toMatchObject({ usable: true });
    const done = kneepoint(['calibrate', '--exec', results, '--out', 'pipeline.yaml']);
    expect(done).toMatchObject({ status: 0, stderr: '' });
    const { text, lab: written } = labIn('pipeline.yaml');
    // The pipeline cuts four chunks of 400 bytes, whatever the lab says.
    expect(written.workload).toMatchObject({ chunksPerRecord: 4, bytesPerChunk: 400 });
    expect(text).toMatch(/chunksPerRecord: 4 # measured: points of most of 30 records at 1 worker/);
    const simulated = JSON.parse(
      kneepoint(['simulate', 'pipeline.yaml', '--json']).stdout,
    ) as Sweep;
    for (const [at, { seconds }] of sweep().cells.entries())
      expect(
        Math.abs(simulated.cells[at]!.seconds / seconds - 1),
        `cell ${at}: simulated ${simulated.cells[at]!.seconds} s, measured ${seconds} s`,
      ).toBeLessThan(0.05);
    expect(done.stdout).toMatch(
      /^Check at 1 worker: measured .* s, simulated .* s \([+-]\d+ %\)$/m,
    );
  });

  test('report shows it again, writes its page anew, and gives the very document as JSON', () => {
    const page = join(folder, results, 'report.html');
    const before = readFileSync(page, 'utf8');
    rmSync(page);
    const shown = kneepoint(['report', results]);
    // It ends as the run itself did.
    expect(shown.status).toBe(run.status);
    expect(shown.stdout).toContain('quick · exec');
    expect(shown.stderr).toContain('report.html');
    expect(readFileSync(page, 'utf8')).toBe(before);
    const again = kneepoint(['report', join(results, 'sweep.json'), '--json']);
    expect(JSON.parse(again.stdout)).toEqual(sweep());
  });

  test('report refuses what is damaged or foreign, in one line', () => {
    const whole = readFileSync(join(folder, results, 'sweep.json'), 'utf8');
    const changed = (change: (sweep: Record<string, never>) => void) => {
      const copy = JSON.parse(whole);
      change(copy);
      return file(JSON.stringify(copy), 'json');
    };
    const cases: [string, RegExp][] = [
      ['nowhere', /report: cannot read nowhere \(ENOENT: no such file\)/],
      [file(whole.slice(0, 900), 'json'), /is not whole JSON/],
      [file('{"name": "kneepoint"}', 'json'), /is not a kneepoint\.sweep\/1; give the folder/],
      [file(`[${whole}]`, 'json'), /holds several runs/],
      [changed((copy) => Reflect.deleteProperty(copy, 'cells')), /is damaged: .*'cells'/],
      [
        changed(({ cells }) => Object.assign(cells![0]!, { seconds: 'long' })),
        /is damaged: cells\.0\.seconds must be number/,
      ],
      [changed((copy) => Object.assign(copy.lab!, { colour: 'red' })), /lab: colour: unknown key/],
    ];
    for (const [path, message] of cases) {
      const { status, stdout, stderr } = kneepoint(['report', path]);
      expect(stderr).toMatch(message);
      expect(stderr.trim().split('\n')).toHaveLength(1);
      expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    }
  });
});

/** Runs a command on a pseudo-terminal, types what it is given whenever it is asked, and passes its exit code on. */
const terminal = `
import os, pty, select, sys, time
keys = sys.argv[1].encode().decode('unicode_escape').encode().split(b'|')
pid, fd = pty.fork()
if pid == 0:
    os.execv(sys.argv[2], sys.argv[2:])
seen = b''
asked = 0
until = time.time() + 40
while time.time() < until:
    ready, _, _ = select.select([fd], [], [], 1)
    if not ready: continue
    try: part = os.read(fd, 65536)
    except OSError: break
    if not part: break
    seen += part
    while seen.count(b'] > ') > asked:
        os.write(fd, keys[min(asked, len(keys) - 1)])
        asked += 1
_, status = os.waitpid(pid, 0)
sys.stdout.buffer.write(seen)
sys.exit(os.waitstatus_to_exitcode(status))
`;

function onTerminal(
  keys: string[],
  args: string[],
): Promise<{ status: number | null; seen: string }> {
  const child = spawn('python3', ['-c', terminal, keys.join('|'), process.execPath, cli, ...args], {
    cwd: folder,
    env: { ...process.env, NO_COLOR: '1' },
  });
  let seen = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    seen += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    seen += text;
  });
  return new Promise((resolve) => child.on('close', (status) => resolve({ status, seen })));
}
const hasTerminal = spawnSync('python3', ['-c', 'import pty']).status === 0;

describe('init', () => {
  test('without a terminal names the ways without questions', () => {
    const { status, stdout, stderr } = kneepoint(['init', 'none.yaml']);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toMatch(/^kneepoint: init: .*--yes.*kneepoint labs linear > none\.yaml\n$/);
    expect(existsSync(join(folder, 'none.yaml'))).toBe(false);
  });

  test('--yes takes all defaults, into a lab that simulate runs', () => {
    expect(kneepoint(['init', 'all.yaml', '--yes']).status).toBe(0);
    const { text, lab } = labIn('all.yaml');
    expect(lab).toMatchObject({
      name: 'all',
      openai: { tier: 'tier-1' },
      workload: { records: 10_000 },
    });
    expect(text).toContain('# kneepoint simulate all.yaml'.slice(2));
    expect(kneepoint(['simulate', 'all.yaml']).status).toBe(0);
  });

  test('does not overwrite, unless it must', () => {
    const before = statSync(join(folder, 'all.yaml')).mtimeMs;
    const { status, stderr } = kneepoint(['init', 'all.yaml', '--yes']);
    expect(status).toBe(2);
    expect(stderr).toMatch(/all\.yaml exists; add --force/);
    expect(statSync(join(folder, 'all.yaml')).mtimeMs).toBe(before);
    expect(kneepoint(['init', 'all.yaml', '--yes', '--force']).status).toBe(0);
  });

  test.each([
    ['.', /^kneepoint: init: \. is a folder; name a file in it: lab\.yaml\n$/],
    [
      'all.yaml/lab.yaml',
      /^kneepoint: init: cannot write all\.yaml\/lab\.yaml \(E\w+: .*\); choose/,
    ],
  ])('%s is no place for a lab', (file, message) => {
    const { status, stderr } = kneepoint(['init', file, '--yes', '--force']);
    expect(status).toBe(2);
    expect(stderr).toMatch(message);
  });

  test('a name that could be that of a built-in lab is followed by its path', () => {
    const { stderr } = kneepoint(['init', 'mylab', '--yes']);
    expect(stderr).toBe('kneepoint: wrote mylab; next: kneepoint simulate ./mylab\n');
    expect(kneepoint(['simulate', './mylab']).status).toBe(0);
  });

  describe.skipIf(!hasTerminal)('on a terminal', () => {
    test('asks for each figure with a default and a help line, and writes the answers', async () => {
      const keys = ['3\r', 'tier-3\r', 'fr\r', '1,000,000\r', '\r', 'many\r', '900\r'];
      const { status, seen } = await onTerminal(
        [...keys, '\r', '300\r', '\r', 'openai-node-6\r'],
        ['init', 'asked.yaml'],
      );
      expect(seen).toContain('wrote asked.yaml');
      expect(status).toBe(0);
      expect(seen).toContain('type one of free, tier-1, tier-2');
      expect(seen).toContain('type a whole number');
      expect(seen).toMatch(/Memory of the host, GiB: of the machine/);
      expect(labIn('asked.yaml').lab).toMatchObject({
        name: 'asked',
        openai: { tier: 'tier-3' },
        qdrant: { plan: 'free' },
        workload: { records: 1_000_000, chunksPerRecord: 8, bytesPerChunk: 900, batchSize: 50 },
        worker: { memoryMb: 300, client: 'openai-node-6' },
        host: { memoryGb: 64 },
      });
    });

    test('asks again for what does not fit together', async () => {
      // A batch of 2,048 chunks of 2,000 bytes is charged more than the free tier's bucket holds.
      const keys = ['free\r', '\r', '\r', '3000\r', '\r', '2048\r', '\r', '\r', '\r', '50\r'];
      const { status, seen } = await onTerminal(keys, ['init', 'fitting.yaml']);
      expect(seen).toContain('use at most 80');
      expect(status).toBe(0);
      expect(labIn('fitting.yaml').lab.workload.batchSize).toBe(50);
    });

    test('Ctrl-C leaves without a file, with 130', async () => {
      const { status, seen } = await onTerminal(['\r', '\r', '\\x03'], ['init', 'left.yaml']);
      expect(seen).toContain('interrupted; nothing is written');
      expect(status).toBe(130);
      expect(readdirSync(folder).filter((name) => name.startsWith('left'))).toEqual([]);
    });

    test('the end of the input leaves without a file too', async () => {
      const { status, seen } = await onTerminal(['\r', '\\x04'], ['init', 'ended.yaml']);
      expect(seen).toContain('the input ended before the last question');
      expect(status).toBe(2);
      expect(existsSync(join(folder, 'ended.yaml'))).toBe(false);
    });
  });
});
