/**
 * `npm run drift`: the mock's answers against the shapes that the official clients declare, and with
 * `--yes` and a key in the environment against the providers' own. Says by field where they differ.
 */
import { Command } from 'commander';
import { completeLab } from '../src/model/lab.ts';
import { openMocks } from '../src/services/open-mocks.ts';
import { type Call, calls } from './calls.ts';
import { differences } from './differences.ts';
import { clientShapes, problemsIn } from './schemas.ts';

type Side = { openai: { url: string; key: string }; qdrant: { url: string; key: string } };

const { yes, openaiUrl, qdrantUrl } = new Command('npm run drift --')
  .description('compares the mocks with the official clients, and with the providers themselves')
  .option('--yes', 'send the real calls that are listed')
  .option('--openai-url <URL>', 'the real API', 'https://api.openai.com/v1')
  .option('--qdrant-url <URL>', 'a real Qdrant; its key in QDRANT_API_KEY')
  .addHelpText(
    'after',
    '\nExamples:\n  $ npm run drift\n  $ OPENAI_API_KEY=sk-… npm run drift -- --yes\n  $ npm run drift -- --yes --qdrant-url http://127.0.0.1:6333\n',
  )
  .parse()
  .opts<{ yes?: boolean; openaiUrl: string; qdrantUrl?: string }>();

const say = (line: string) => process.stdout.write(`${line}\n`);

async function answerOf(side: Side, { service, method, path, body }: Call) {
  const { url, key } = side[service];
  const headers: Record<string, string> =
    service === 'openai' ? { authorization: `Bearer ${key}` } : { 'api-key': key };
  const answer = await fetch(`${url}${path}`, {
    method,
    headers: { 'content-type': 'application/json', ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  return { status: answer.status, body: text === '' ? undefined : JSON.parse(text) };
}

const ports = { openai: 0, qdrant: 0, records: 0, admin: 0 };
const lab = completeLab({ openai: { latency: { fixed: 0 } }, qdrant: { latency: { fixed: 0 } } });
const mocks = await openMocks(lab, 1, '127.0.0.1', ports);
const mock: Side = {
  openai: { url: mocks.openaiUrl, key: 'sk-kneepoint-lab-drift' },
  qdrant: { url: mocks.qdrantUrl, key: 'kneepoint-lab-drift' },
};

const shapeOf = clientShapes();
let found = 0;
const report = (call: Call, against: string, lines: string[]) => {
  found += lines.length;
  for (const line of lines) say(`  ${call.service}, ${call.name}, against ${against}: ${line}`);
};

say(`The mocks against the types of openai and @qdrant/js-client-rest, ${calls.length} calls:`);
const own = new Map<Call, { status: number; body: unknown }>();
for (const call of calls) {
  const answer = await answerOf(mock, call);
  own.set(call, answer);
  if (answer.status !== call.status)
    report(call, 'the expected status', [`${answer.status} instead of ${call.status}`]);
  if (call.shape === undefined) continue;
  const shaped = call.service === 'qdrant' && !call.bare ? answer.body.result : answer.body;
  report(call, `the client's type ${call.shape}`, problemsIn(shapeOf(call.shape), shaped));
}
if (found === 0) say('  no difference');

/** US dollars for a million tokens of text-embedding-3-small (published, 2026). */
const dollarsPerMillionTokens = 0.02;
const openaiKey = process.env.OPENAI_API_KEY;
const wanted = calls.filter(({ service }) =>
  service === 'openai' ? openaiKey !== undefined : qdrantUrl !== undefined,
);
if (wanted.length > 0) {
  const tokens = wanted.reduce((sum, call) => sum + (call.tokens ?? 0), 0);
  const cost = (tokens * dollarsPerMillionTokens) / 1e6;
  const where = [
    ...(openaiKey === undefined ? [] : [openaiUrl]),
    ...(qdrantUrl === undefined ? [] : [`${qdrantUrl} (collection kneepoint-drift)`]),
  ];
  say(
    `${wanted.length} real calls to ${where.join(' and ')}: ${tokens} tokens, about $${cost.toFixed(8)}.`,
  );
  if (!yes) say('  Nothing was sent: add --yes.');
  else {
    const real: Side = {
      openai: { url: openaiUrl, key: openaiKey ?? '' },
      qdrant: { url: qdrantUrl ?? '', key: process.env.QDRANT_API_KEY ?? '' },
    };
    const before = found;
    for (const call of wanted) {
      const theirs = await answerOf(real, call);
      const ours = own.get(call)!;
      if (theirs.status !== ours.status)
        report(call, 'the provider', [`status ${ours.status} instead of ${theirs.status}`]);
      else report(call, 'the provider', differences(ours.body, theirs.body));
    }
    if (found === before) say('  no difference');
  }
}
await mocks.close();
process.exitCode = found > 0 ? 1 : 0;
