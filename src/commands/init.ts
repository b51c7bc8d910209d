import { existsSync, statSync } from 'node:fs';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { applied } from '../analyze/calibrate/calibrate.ts';
import { checkLab } from '../lab-file.ts';
import { type LabFile, labSchema } from '../model/lab-schema.ts';
import { writeAtomically } from '../results.ts';
import { UsageError } from '../usage-error.ts';
import { commentedYaml } from './calibrate-yaml.ts';

export type InitOptions = { yes?: boolean; force?: boolean };

const interrupted = 130;

type Field = { minimum?: number; maximum?: number; enum?: readonly string[]; type?: string };
type Question = { field: string; ask: string; help: string; standard: string | number };

const { workload, worker, openai, qdrant, host } = labSchema.properties;

const questions: Question[] = [
  {
    field: 'openai.tier',
    ask: 'OpenAI usage tier',
    help: 'on platform.openai.com under Settings, Limits; `kneepoint tiers` shows what each allows',
    standard: 'tier-1',
  },
  {
    field: 'qdrant.plan',
    ask: 'Qdrant plan',
    help: 'unlimited leaves Qdrant out of it; what the other plans can take is assumed',
    standard: qdrant.properties.plan.default,
  },
  {
    field: 'workload.records',
    ask: 'Records to migrate',
    help: 'rows that the migration reads; a pilot of few records can hide the limit',
    standard: 10_000,
  },
  {
    field: 'workload.chunksPerRecord',
    ask: 'Chunks a record',
    help: 'texts that a record is cut into, on average; each is embedded and becomes a point',
    standard: workload.properties.chunksPerRecord.default,
  },
  {
    field: 'workload.bytesPerChunk',
    ask: 'Bytes a chunk',
    help: 'UTF-8 bytes; OpenAI charges its limit one token for every four',
    standard: workload.properties.bytesPerChunk.default,
  },
  {
    field: 'workload.batchSize',
    ask: 'Batch size',
    help: 'BATCH_SIZE: chunks that one embeddings request holds at most',
    standard: workload.properties.batchSize.default,
  },
  {
    field: 'worker.memoryMb',
    ask: 'Memory of a worker, MiB',
    help: 'resident memory of one worker process; `kneepoint exec` measures it',
    standard: worker.properties.memoryMb.default,
  },
  {
    field: 'host.memoryGb',
    ask: 'Memory of the host, GiB',
    help: `of the machine that will run the workers; this one has ${(totalmem() / 2 ** 30).toFixed(1)}`,
    standard: host.properties.memoryGb.default,
  },
  {
    field: 'worker.client',
    ask: 'Client library',
    help: 'patient obeys every hint and never gives up; the SDKs give a record up after two retries',
    standard: worker.properties.client.default,
  },
];

const sections: Record<string, { properties: Record<string, unknown> }> = {
  workload,
  worker,
  openai,
  qdrant,
  host,
};

function schemaOf(field: string): Field {
  const [section, name] = field.split('.') as [string, string];
  return sections[section]!.properties[name] as Field;
}

/** What was typed as a value of the field, or why it is none. A name may be cut short where only one begins so: numbers would be mistaken for tiers. */
function answerTo(
  { field, standard }: Question,
  typed: string,
): { value: string | number } | { problem: string } {
  const text = typed.trim();
  if (text === '') return { value: standard };
  const { enum: options, minimum = 0, maximum = Infinity, type } = schemaOf(field);
  if (options) {
    const begun = options.filter((option) => option.startsWith(text));
    const chosen = options.includes(text) ? text : begun.length === 1 ? begun[0] : undefined;
    return chosen === undefined
      ? { problem: `type one of ${options.join(', ')}` }
      : { value: chosen };
  }
  // Thousands are typed in many ways.
  const value = Number(text.replaceAll(/(?<=\d)[,_ ](?=\d{3})/g, ''));
  if (!Number.isFinite(value) || (type === 'integer' && !Number.isInteger(value)))
    return { problem: `type a ${type === 'integer' ? 'whole ' : ''}number` };
  return value < minimum || value > maximum
    ? { problem: `type a number from ${minimum} to ${maximum}` }
    : { value };
}

type Answers = Map<string, string | number>;

const labOf = (answers: Answers, name: string): LabFile =>
  applied(
    { name },
    [...answers].map(([field, value]) => ({ field, value })),
  );

/** What is wrong with all answers together, and the question whose answer can cure it. */
function conflict(answers: Answers, name: string): { problem: string; field: string } | undefined {
  try {
    checkLab(labOf(answers, name), 'init');
    return undefined;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    const problem = error.message.replace(/^init: /, '');
    return { problem, field: problem.split(':')[0]! };
  }
}

/** Asks on stderr, so that stdout stays free. Undefined where the user pressed Ctrl-C. */
async function asked(name: string): Promise<Answers | undefined> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const stop = new AbortController();
  let ended = false;
  terminal.on('SIGINT', () => stop.abort());
  terminal.on('close', () => {
    ended = true;
    stop.abort();
  });
  const say = (line: string) => process.stderr.write(`${line}\n`);
  const one = async (question: Question, standard: string | number) => {
    const options = schemaOf(question.field).enum;
    say(`\n${question.ask}: ${question.help}`);
    if (options) say(`  ${options.join(', ')}`);
    for (;;) {
      const typed = await terminal.question(`  [${standard}] > `, { signal: stop.signal });
      const answer = answerTo({ ...question, standard }, typed);
      if ('value' in answer) return answer.value;
      say(`  ${answer.problem}`);
    }
  };
  try {
    say('Enter takes what stands in brackets. Ctrl-C leaves without writing anything.');
    const answers: Answers = new Map();
    for (const question of questions)
      answers.set(question.field, await one(question, question.standard));
    for (let found = conflict(answers, name); found; found = conflict(answers, name)) {
      const again = questions.find(({ field }) => field === found!.field);
      if (!again) throw new UsageError(`init: ${found.problem}`);
      say(`\n${found.problem}`);
      answers.set(again.field, await one(again, answers.get(again.field)!));
    }
    return answers;
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    if (ended)
      throw new UsageError('init: the input ended before the last question; nothing is written');
    return undefined;
  } finally {
    terminal.close();
  }
}

const head = (file: string) => [
  'Your lab by `kneepoint init`. What is not here has its default: `kneepoint labs linear` shows all of it.',
  `Predict:  kneepoint simulate ${file}`,
  `Measure:  kneepoint exec ${file} -- your command --workers {workers}`,
];

/** Writes a lab by asking. Nothing is written before the last answer. */
export async function init(
  file: string,
  { yes = false, force = false }: InitOptions,
): Promise<number> {
  if (statSync(file, { throwIfNoEntry: false })?.isDirectory())
    throw new UsageError(`init: ${file} is a folder; name a file in it: ${join(file, 'lab.yaml')}`);
  if (existsSync(file) && !force)
    throw new UsageError(`init: ${file} exists; add --force to replace it, or name another file`);
  const name =
    file
      .replace(/^.*[\\/]/, '')
      .replace(/\.[a-z]+$/i, '')
      .toLowerCase()
      .replace(/[^a-z0-9-]+/g, '-')
      .replace(/^-+/, '')
      .slice(0, 64) || 'lab';
  if (!yes && !(process.stdin.isTTY && process.stderr.isTTY))
    throw new UsageError(
      `init: asks questions and needs a terminal; take all defaults with --yes, or copy a lab: kneepoint labs linear > ${file}`,
    );
  const answers = yes
    ? new Map(questions.map(({ field, standard }) => [field, standard]))
    : await asked(name);
  if (!answers) {
    process.stderr.write('\nkneepoint: interrupted; nothing is written\n');
    return interrupted;
  }
  const lab = labOf(answers, name);
  checkLab(lab, 'init');
  // A word alone would be looked for among the built-in labs.
  const given = /[./\\]/.test(file) ? file : `./${file}`;
  const yaml = commentedYaml(lab, head(given), (field, description) =>
    description === undefined ? questions.find((each) => each.field === field)?.help : description,
  );
  writeAtomically(file, yaml, 'init');
  process.stderr.write(
    `${yes ? '' : '\n'}kneepoint: wrote ${file}; next: kneepoint simulate ${given}\n`,
  );
  return 0;
}
