/**
 * `node bench/peers.ts`: one embeddings request (8 inputs, 64 dimensions, no latency) under 20 k6 users,
 * in turns against this mock and others that answer the same bytes: a static route in Mockoon and
 * WireMock, MSW behind a server, aimock (which makes up vectors of its own). The mock does more work than
 * any of them: limits, charge, headers, vectors. Peers are installed into `.cache/peers`.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findK6 } from '../src/services/k6-binary.ts';
import { authorization, body } from './embeddings-request.ts';

const root = new URL('..', import.meta.url).pathname;
const cache = join(root, '.cache/peers');
const folder = mkdtempSync(join(tmpdir(), 'kneepoint-peers-'));
const turns = Number(process.argv[2] ?? 3);
const wiremock = join(cache, 'wiremock-3.13.2.jar');

mkdirSync(cache, { recursive: true });
copyFileSync(join(root, 'bench/peers/package.json'), join(cache, 'package.json'));
copyFileSync(join(root, 'bench/peers/msw-server.ts'), join(cache, 'msw-server.ts'));
console.error('installing the peers');
execFileSync('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: cache });
if (!existsSync(wiremock)) {
  const from =
    'https://repo1.maven.org/maven2/org/wiremock/wiremock-standalone/3.13.2/wiremock-standalone-3.13.2.jar';
  const jar = await fetch(from);
  if (!jar.ok) throw new Error(`${from}: ${jar.status}`);
  writeFileSync(wiremock, Buffer.from(await jar.arrayBuffer()));
}

const children: ChildProcess[] = [];
const start = (command: string, args: string[]) => {
  const child = spawn(command, args, { cwd: folder, stdio: 'ignore' });
  children.push(child);
};
const ask = (url: string) =>
  fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization },
    body,
  });
const answering = async (url: string) => {
  for (let tries = 0; tries < 150; tries++) {
    const answer = await ask(url).catch(() => undefined);
    if (answer?.status === 200) return Buffer.from(await answer.arrayBuffer());
    await sleep(200);
  }
  throw new Error(`nothing answers at ${url}`);
};

const ports = {
  kneepoint: 4741,
  aimock: 4742,
  'msw behind a server': 4743,
  mockoon: 4744,
  wiremock: 4745,
};
const targets = Object.fromEntries(
  Object.entries(ports).map(([name, port]) => [name, `http://127.0.0.1:${port}/v1/embeddings`]),
);

writeFileSync(join(folder, 'lab.yaml'), 'openai: { latency: { fixed: 0 } }\n');
start(process.execPath, [
  join(root, 'src/cli.ts'),
  'mocks',
  ...['--lab', join(folder, 'lab.yaml'), '--openai-port', String(ports.kneepoint)],
  ...['--qdrant-port', '0', '--records-port', '0', '--admin-port', '0'],
]);
const answer = await answering(targets.kneepoint!);
const answerPath = join(folder, 'answer.json');
writeFileSync(answerPath, answer);

mkdirSync(join(folder, 'fixtures'));
start(process.execPath, [
  join(cache, 'node_modules/@copilotkit/aimock/dist/cli.js'),
  ...[
    '--port',
    String(ports.aimock),
    '--fixtures',
    join(folder, 'fixtures'),
    '--log-level',
    'silent',
  ],
]);
start(process.execPath, [
  join(cache, 'msw-server.ts'),
  answerPath,
  String(ports['msw behind a server']),
]);
writeFileSync(
  join(folder, 'mockoon.json'),
  JSON.stringify({
    uuid: 'a0000000-0000-4000-8000-000000000001',
    lastMigration: 33,
    name: 'embeddings',
    port: ports.mockoon,
    hostname: '127.0.0.1',
    routes: [
      {
        uuid: 'a0000000-0000-4000-8000-000000000002',
        type: 'http',
        method: 'post',
        endpoint: 'v1/embeddings',
        responses: [
          {
            uuid: 'a0000000-0000-4000-8000-000000000003',
            body: answer.toString(),
            statusCode: 200,
            headers: [{ key: 'content-type', value: 'application/json' }],
            disableTemplating: true,
            default: true,
          },
        ],
      },
    ],
  }),
);
start(process.execPath, [
  join(cache, 'node_modules/@mockoon/cli/bin/run.js'),
  ...['start', '--data', join(folder, 'mockoon.json'), '--repair', '--disable-log-to-file'],
  '--disable-admin-api',
]);
mkdirSync(join(folder, 'mappings'));
writeFileSync(
  join(folder, 'mappings/embeddings.json'),
  JSON.stringify({
    request: { method: 'POST', urlPath: '/v1/embeddings' },
    response: {
      status: 200,
      body: answer.toString(),
      headers: { 'content-type': 'application/json' },
    },
  }),
);
start('java', [
  ...['-jar', wiremock, '--port', String(ports.wiremock), '--bind-address', '127.0.0.1'],
  // Its own advice for load: no journal.
  ...['--root-dir', folder, '--no-request-journal', '--disable-banner'],
]);

try {
  const k6 = await findK6({ env: process.env, root, say: console.error });
  const load = (target: string, seconds: number) => {
    const script = join(root, 'bench/embeddings-load.ts');
    const flags = ['-e', `TARGET=${target}`, '-e', `DURATION=${seconds}s`];
    const text = execFileSync(k6.path, ['run', '--quiet', ...flags, script], {
      env: { ...process.env, K6_NO_USAGE_REPORT: 'true', K6_AUTO_EXTENSION_RESOLUTION: 'false' },
    }).toString();
    return JSON.parse(text) as { rate: number; p99: number };
  };
  const seen: Record<string, { rate: number; p99: number }[]> = {};
  for (const [name, target] of Object.entries(targets)) {
    await answering(target);
    // The JVM and V8 compile what runs hot: nobody is measured cold.
    load(target, 5);
    seen[name] = [];
  }
  for (let turn = 1; turn <= turns; turn++)
    for (const [name, target] of Object.entries(targets)) {
      const run = load(target, 4);
      seen[name]!.push(run);
      console.log(
        `turn ${turn}: ${name.padEnd(20)} ${run.rate.toFixed(0).padStart(6)}/s, p99 ${run.p99.toFixed(1)} ms`,
      );
    }
  const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1]!;
  const own = median(seen.kneepoint!.map(({ rate }) => rate));
  for (const [name, runs] of Object.entries(seen)) {
    const rate = median(runs.map((run) => run.rate));
    const p99 = median(runs.map((run) => run.p99));
    console.log(
      `median: ${name.padEnd(20)} ${rate.toFixed(0).padStart(6)}/s, p99 ${p99.toFixed(1)} ms, kneepoint is ${(own / rate).toFixed(2)} times as fast`,
    );
  }
} finally {
  for (const child of children) child.kill();
}
