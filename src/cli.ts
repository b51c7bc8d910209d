#!/usr/bin/env node
/** The table of commands: what a user can type, and what it exits with. */
import { Command, CommanderError } from 'commander';
import type { CalibrateOptions } from './commands/calibrate.ts';
import type { CheckOptions } from './commands/check.ts';
import type { CompareOptions } from './commands/compare.ts';
import type { ExecOptions } from './commands/exec-services.ts';
import type { InitOptions } from './commands/init.ts';
import type { LabOptions } from './commands/lab-options.ts';
import type { MocksOptions } from './commands/mocks.ts';
import type { ReportOptions } from './commands/report.ts';
import type { RunOptions } from './commands/run.ts';
import type { SeedOptions } from './commands/seed.ts';
import type { SimulateOptions } from './commands/simulate.ts';
import type { UpgradeOptions } from './commands/upgrade.ts';
import { fileProblem } from './file-problem.ts';
import { version } from './provenance.ts';
import { MissingPartError } from './services/missing-part.ts';
import { UsageError } from './usage-error.ts';

// What follows `--` is the user's own command, and its options are not ours.
const dashes = process.argv[2] === 'exec' ? process.argv.indexOf('--') : -1;
const ownArguments = dashes < 0 ? process.argv : process.argv.slice(0, dashes);
const userCommand = dashes < 0 ? [] : process.argv.slice(dashes + 1);
const commandMissing =
  'exec: give your command after --, as in `exec openai-tier-1 -- node ingest.js`';

const program = new Command('kneepoint')
  .description('How many ingestion workers can you run, what binds, and does an upgrade help?')
  .version(version)
  .showSuggestionAfterError()
  .exitOverride()
  .configureOutput({ writeErr: () => {} });

let exitCode = 0;

const withLabOptions = (command: Command, workersHelp = 'worker counts, rising: 1,2,5') =>
  command
    .option('--workers <LIST>', workersHelp)
    .option('--records <N>', 'records to migrate')
    .option('--tier <T>', 'OpenAI usage tier, see `kneepoint tiers`')
    .option('--plan <P>', 'Qdrant plan, see `kneepoint tiers`')
    .option('--memory-gb <N>', 'memory of the host in GiB')
    .option('--speed <N>', 'virtual seconds per real second, at most (k6 only)')
    .option('--seed <N>', 'same seed, same records and latencies')
    .option('--json', 'one JSON document on stdout')
    .option('--out <DIR>', 'where results go');

const mysqlHelp =
  'records from a real MySQL: that one, or MYSQL_URL on this machine, Docker, mysqld, mariadbd';

const placedHelp = 'worker counts, rising: 1,2,5; or auto, auto:50: placed around the knee';
const refineHelp = 'adds worker counts around the knee to the matrix';

const examples = (lines: string[]) =>
  `\nExamples:\n${lines.map((line) => `  $ kneepoint ${line}\n`).join('')}`;

withLabOptions(
  program
    .command('run')
    .argument('[LAB...]', 'built-in names or files; all built-in labs where none is given')
    .description('sweeps labs with k6 against the mocks')
    .option('--engine <E>', 'k6 or simulate', 'k6')
    .option('--docker', 'k6, mocks and a MySQL with the records in containers, at speed 1')
    .option(
      '--qdrant-url [URL]',
      'a real Qdrant instead of the mock; QDRANT_URL where no URL follows',
    )
    .option('--repeats <N>', 'runs of each worker count, each with a seed one higher')
    .option('--mysql [URL]', mysqlHelp)
    .option('--refine', refineHelp),
  placedHelp,
)
  .addHelpText(
    'after',
    examples(['run openai-tier-1 --workers auto', 'run my-lab.yaml --workers 1,4,8 --json']),
  )
  .action(async (names: string[], options: LabOptions & RunOptions) => {
    const [{ labsFrom }, { run }] = await Promise.all([
      import('./commands/lab-options.ts'),
      import('./commands/run.ts'),
    ]);
    exitCode = await run(labsFrom(names, options, { canPlace: true }), options);
  });

withLabOptions(
  program
    .command('simulate')
    .argument('[LAB...]', 'built-in names or files; all built-in labs where none is given')
    .description('predicts the same in milliseconds, in virtual time')
    .option('--repeats <N>', 'runs of each worker count, each with a seed one higher')
    .option('--refine', refineHelp),
  placedHelp,
)
  .addHelpText('after', examples(['simulate', 'simulate openai-tier-1 --tier tier-3']))
  .action(async (names: string[], options: LabOptions & SimulateOptions) => {
    const [{ labsFrom }, { simulate }] = await Promise.all([
      import('./commands/lab-options.ts'),
      import('./commands/simulate.ts'),
    ]);
    exitCode = simulate(labsFrom(names, options, { canPlace: true }), options);
  });

withLabOptions(
  program
    .command('check')
    .argument('[LAB...]', 'built-in names or files; all built-in labs where none is given')
    .description('asserts what the lab expects, and no regression against a baseline')
    .option('--engine <E>', 'k6 or simulate (k6)')
    .option('--sweep <FILE>', 'a finished run, or its results folder, instead of a new one')
    .option('--baseline <FILE>', 'an earlier run to be no worse than; a folder for several labs')
    .option('--update-baseline', 'write the run as the baseline instead')
    .option('--repeats <N>', "runs of each worker count (the baseline's)")
    .option('--junit <FILE>', 'the checks as JUnit XML'),
)
  .addHelpText(
    'after',
    examples([
      'check my-lab.yaml --junit kneepoint.xml',
      'check my-lab.yaml --baseline baseline.json --update-baseline',
      'check my-lab.yaml --baseline baseline.json',
      'check --sweep results/2026-11-24-101500-my-lab',
    ]),
  )
  .action(async (names: string[], options: CheckOptions) => {
    exitCode = await (await import('./commands/check.ts')).check(names, options);
  });

program
  .command('compare')
  .argument('<A>', "a run's results folder, or its sweep.json")
  .argument('<B>', 'another')
  .description('two runs side by side: what differs, and what the data can show of it')
  .option('--json', 'one JSON document on stdout')
  .addHelpText('after', examples(['compare results/2026-11-24-101500-linear baseline.json']))
  .action(async (a: string, b: string, options: CompareOptions) => {
    exitCode = (await import('./commands/compare.ts')).compare(a, b, options);
  });

withLabOptions(
  program
    .command('upgrade')
    .argument('[LAB]', 'built-in name or file', 'openai-tier-1')
    .description('shows what each upgrade gains and costs, and what binds next')
    .option('--target-records <N>', 'records of production, as many as you like: 100000000')
    .option('--deadline <T>', 'finds the cheapest upgrades that finish in time: 6h')
    .option('--strategies', 'compares fewer workers, batches, retries and limiters instead')
    .option('--confirm', 'runs before and after of the first step that helps on k6'),
)
  .addHelpText(
    'after',
    examples([
      'upgrade openai-tier-1',
      'upgrade my-lab.yaml --target-records 1000000 --deadline 12h',
      'upgrade --strategies',
    ]),
  )
  .action(async (name: string, options: LabOptions & UpgradeOptions) => {
    const [{ labsFrom }, { upgrade }] = await Promise.all([
      import('./commands/lab-options.ts'),
      import('./commands/upgrade.ts'),
    ]);
    exitCode = await upgrade(labsFrom([name], options)[0]!, options);
  });

program
  .command('mocks')
  .description('serves OpenAI, Qdrant and the records until stopped')
  .option('--lab <L>', 'lab behind the key sk-kneepoint-lab')
  .option('--speed <N>', 'virtual seconds per real second (1)')
  .option('--openai-port <P>', 'port, 0 for any (4610)')
  .option('--qdrant-port <P>', 'port, 0 for any (4633)')
  .option('--records-port <P>', 'port, 0 for any (4611)')
  .option('--admin-port <P>', 'port, 0 for any (4612)')
  .option('--host <H>', 'address to listen on', '127.0.0.1')
  .option('--max-memory <MB>', 'MiB that stored points may take (2048)')
  .option('--ready-file <F>', 'JSON with all addresses, written when all listen')
  .option('--mysql [URL]', mysqlHelp)
  .option('--records <N>', "records to serve (the lab's; 1,000 at least with --mysql)")
  .addHelpText(
    'after',
    examples([
      'mocks',
      'mocks --lab openai-tier-1 --openai-port 0',
      'mocks --mysql --records 1000',
    ]),
  )
  .action(async (options: MocksOptions) => {
    exitCode = await (await import('./commands/mocks.ts')).mocks(options);
  });

withLabOptions(
  program
    .command('exec')
    .usage('[options] [LAB] -- COMMAND…')
    .argument('[LAB]', 'built-in name or file', 'openai-tier-1')
    .description('runs your own worker command once for each worker count, and measures it')
    .option('--timeout <T>', 'ends a worker count that takes longer: 90s, 10m')
    .option('--memory-limit <SIZE>', 'memory of all its processes: 8g rehearses a small machine')
    .option('--mysql-url [URL]', 'MySQL to read from, filled by `kneepoint seed`')
    .option('--no-mysql', 'start no MySQL and leave MYSQL_ variables alone')
    .option('--record-field <F>', "payload field with a point's record; found where not given")
    .option('--real', 'against the services in your environment; says the cost first')
    .option('--yes', 'with --real: send it')
    .option('--max-cost <USD>', 'with --real: embed no more than this costs')
    .option('--refine', refineHelp),
  placedHelp,
)
  .addHelpText(
    'after',
    `
The command gets OPENAI_BASE_URL, OPENAI_API_KEY, QDRANT_URL, QDRANT_API_KEY, MYSQL_URL (and _HOST,
_PORT, _USER, _PASSWORD, _DATABASE), MAX_WORKERS, BATCH_SIZE and MYSQL_POOL_SIZE; {workers}, {records},
{batch} and {claim} in it are filled in.
${examples([
  'exec openai-tier-1 -- uv run python -m my_migration --max-records {records} --workers {workers}',
  'exec qdrant-free --workers 1,4,8 --memory-limit 8g -- node ingest.js --workers={workers}',
])}`,
  )
  .action(async (name: string, options: LabOptions & ExecOptions) => {
    const [{ labsFrom }, { exec }] = await Promise.all([
      import('./commands/lab-options.ts'),
      import('./commands/exec.ts'),
    ]);
    if (userCommand.length === 0) throw new UsageError(commandMissing);
    if (options.speed !== undefined)
      throw new UsageError("--speed: other programs can't be sped up; leave it out");
    const [lab] = labsFrom([name], options, { canPlace: true });
    exitCode = await exec(lab!, userCommand, options);
  });

program
  .command('seed')
  .argument('[LAB]', 'built-in name or file: how many chunks a record has, and how long', 'linear')
  .description('fills the table `records` of a MySQL, and goes on where it was interrupted')
  .option(
    '--mysql-url <URL>',
    'mysql://user:password@host:port/database (MYSQL_URL on this machine)',
  )
  .option('--records <N>', "rows that the table is to have (the lab's)")
  .option('--reset', 'mark all records as not migrated instead')
  .addHelpText(
    'after',
    examples([
      'seed --mysql-url mysql://root:secret@127.0.0.1:3306/lab --records 100000',
      'seed my-lab.yaml --mysql-url "$MYSQL_URL"',
      'seed --mysql-url "$MYSQL_URL" --reset',
    ]),
  )
  .action(async (lab: string, options: SeedOptions) => {
    exitCode = await (await import('./commands/seed.ts')).seed(lab, options);
  });

program
  .command('calibrate')
  .argument(
    '[LAB]',
    "the lab to start from: a built-in name or file (that of --exec's run, or linear)",
  )
  .description('fits a lab to what you have: headers, latencies, an earlier exec')
  .option(
    '--headers <FILE>',
    'response headers of real embeddings calls: curl -i, HAR, JSON, CSV; repeatable',
    (file: string, all: string[] = []) => [...all, file],
  )
  .option('--openai-latencies <FILE>', 'latencies of embeddings requests: CSV or JSON, with tokens')
  .option('--qdrant-latencies <FILE>', 'latencies of upserts: CSV or JSON, with points')
  .option('--exec <DIR>', 'results folder of an earlier `kneepoint exec`')
  .option('--column <NAME>', 'the column with the latencies; found by name where not given')
  .option('--drop-from <MS>', 'leave out samples of at least so many ms: timeouts')
  .option('--model <M>', 'whose headers count, where there are several models')
  .option('--out <FILE>', 'where the lab goes (stdout)')
  .option('--force', 'replace an existing file')
  .addHelpText(
    'after',
    examples([
      'calibrate --headers headers.txt --openai-latencies embed.csv --out lab.yaml',
      'calibrate --exec results/2026-11-24-101500-my-lab --out lab.yaml',
      'calibrate lab.yaml --qdrant-latencies upserts.jsonl --out lab.yaml --force',
    ]),
  )
  .action(async (lab: string | undefined, options: CalibrateOptions) => {
    exitCode = (await import('./commands/calibrate.ts')).calibrateLab(lab, options);
  });

program
  .command('report')
  .argument('<DIR>', 'results folder of a run, or its sweep.json')
  .description('shows a finished run again and writes its page anew')
  .option('--json', 'one JSON document on stdout')
  .addHelpText('after', examples(['report results/2026-11-24-101500-openai-tier-1']))
  .action(async (folder: string, options: ReportOptions) => {
    exitCode = (await import('./commands/report.ts')).report(folder, options);
  });

program
  .command('init')
  .argument('[FILE]', 'where the lab goes', 'lab.yaml')
  .description('writes a lab by asking')
  .option('--yes', 'take all defaults without asking')
  .option('--force', 'replace an existing file')
  .addHelpText('after', examples(['init', 'init my-lab.yaml --yes']))
  .action(async (file: string, options: InitOptions) => {
    exitCode = await (await import('./commands/init.ts')).init(file, options);
  });

program
  .command('labs')
  .argument('[NAME]', 'prints this one as commented YAML')
  .description('lists the built-in labs')
  .addHelpText('after', examples(['labs', 'labs openai-tier-1 > my-lab.yaml']))
  .action(async (name?: string) => {
    process.stdout.write((await import('./commands/list.ts')).listLabs(name));
  });

program
  .command('tiers')
  .description('lists tiers and plans with source, date and grade of each figure')
  .option('--json', 'as JSON')
  .option('--stale', 'only what was read over 180 days ago; exit code 1 where there is any')
  .option('--as-of <DATE>', 'the day to count from, with --stale (today)')
  .addHelpText('after', examples(['tiers', 'tiers --json', 'tiers --stale']))
  .action(async (options: { json?: boolean; stale?: boolean; asOf?: string }) => {
    const { json = false, stale = false, asOf } = options;
    const { listStale, listTiers } = await import('./commands/list.ts');
    if (asOf !== undefined && !stale) throw new UsageError('--as-of: needs --stale');
    const listed = stale
      ? listStale(asOf ?? new Date().toISOString().slice(0, 10), json)
      : { text: listTiers(json), exitCode: 0 };
    process.stdout.write(listed.text);
    exitCode = listed.exitCode;
  });

program
  .command('doctor')
  .description('checks what a run needs on this machine')
  .addHelpText('after', examples(['doctor']))
  .action(async () => {
    const result = await (await import('./commands/list.ts')).doctor();
    process.stdout.write(result.text);
    exitCode = result.exitCode;
  });

program.addHelpText('after', examples(['run openai-tier-1', 'simulate', 'mocks']));

function fail(message: string, code: number): void {
  process.stderr.write(`kneepoint: ${message.replace(/^error: /, '').replaceAll('\n', ' ')}\n`);
  exitCode = code;
}

/**
 * A bug in Kneepoint, in one line. Its exit code is that of an undetermined run: 1 is Node's own, and would
 * say that a check failed.
 */
function failUnexpectedly(error: unknown): void {
  const { stack, message } = error instanceof Error ? error : new Error(String(error));
  if (process.env.KNEEPOINT_DEBUG === '1') process.stderr.write(`${stack}\n`);
  fail(`unexpected: ${message}; this is a bug in Kneepoint, KNEEPOINT_DEBUG=1 shows where`, 3);
}
process.on('uncaughtException', (error) => {
  failUnexpectedly(error);
  process.exit(exitCode);
});

// A reader that stops early (`| head`) is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') return;
  fail(`stdout: cannot write (${fileProblem(error)}); send it elsewhere`, 2);
  process.exit(exitCode);
});

try {
  // Before the command's own words and options are taken for ours.
  const isHelp = process.argv.some((word) => word === '--help' || word === '-h');
  if (process.argv[2] === 'exec' && dashes < 0 && !isHelp) throw new UsageError(commandMissing);
  await program.parseAsync(ownArguments);
} catch (error) {
  if (error instanceof CommanderError) {
    const [, , first, topic] = ownArguments;
    const known = topic === undefined || program.commands.some((each) => each.name() === topic);
    if (error.code !== 'commander.help') {
      if (error.exitCode !== 0) fail(error.message, 2);
    } else if (first !== 'help') fail('give a command; see `kneepoint --help`', 2);
    else if (!known) fail(`unknown command '${topic}'; see \`kneepoint --help\``, 2);
  } else if (error instanceof UsageError) fail(error.message, 2);
  else if (error instanceof MissingPartError) fail(error.message, 4);
  else failUnexpectedly(error);
}
process.exitCode = exitCode;
