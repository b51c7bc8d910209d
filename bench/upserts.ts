/**
 * `node bench/upserts.ts [POINTS...]`: points per second that the Qdrant mock stores at 1,536 dimensions,
 * against a mock that parses (Fastify, JSON.parse, Map) and a bare server that only receives. Each serves
 * from a process of its own, in turns; this process sends the same prebuilt bodies to all of them.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const root = new URL('..', import.meta.url).pathname;
const dimensions = 1_536;
const sockets = 8;
const bodiesInTurn = 8;
const [turns, warmMs, turnMs] = [3, 1_000, 3_000];
const key = 'kneepoint-lab-bench';

const folder = mkdtempSync(join(tmpdir(), 'kneepoint-bench-'));
const labPath = join(folder, 'lab.yaml');
writeFileSync(labPath, 'qdrant: { latency: { fixed: 0 } }\n');
const children: ChildProcess[] = [];

type Server = { port: number; pid: number };

/** Starts a Node process that writes where it listens into a file. */
const start = async (name: string, args: (ready: string) => string[]) => {
  const ready = join(folder, `${name}.json`);
  const child = spawn(process.execPath, args(ready), { stdio: ['ignore', 'ignore', 'inherit'] });
  children.push(child);
  while (!existsSync(ready)) await sleep(20);
  return { text: readFileSync(ready, 'utf8'), pid: child.pid! };
};

/** Seconds of processor time that a process has used, all its threads together (Linux). */
const processorSeconds = (pid: number): number => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
};

const peer = async (name: string): Promise<Server> => {
  const script = join(root, 'bench/upserts-peer.ts');
  const { text, pid } = await start(name, (ready) => [script, name, ready]);
  return { port: Number(text), pid };
};

const ports = ['openai', 'qdrant', 'records', 'admin'].flatMap((name) => [`--${name}-port`, '0']);
const { text, pid } = await start('kneepoint', (file) => {
  const args = ['mocks', '--lab', labPath, '--speed', '1000', '--ready-file', file];
  return [join(root, 'src/cli.ts'), ...args, ...ports];
});
const { qdrant } = JSON.parse(text) as { qdrant: { url: string } };
await fetch(`${qdrant.url}/collections/c`, {
  method: 'PUT',
  headers: { 'content-type': 'application/json', 'api-key': key },
  body: JSON.stringify({ vectors: { size: dimensions, distance: 'Cosine' } }),
});
const servers: Record<string, Server> = {
  receiving: await peer('receiving'),
  parsing: await peer('parsing'),
  kneepoint: { port: Number(new URL(qdrant.url).port), pid },
};

/** A unit vector in all the digits a double has, as clients print them. */
const vector = (): number[] => {
  const values = Array.from({ length: dimensions }, () => Math.random() - 0.5);
  const length = Math.hypot(...values);
  return values.map((value) => value / length);
};

const requestOf = (batch: number, points: number): Buffer => {
  const list = Array.from({ length: points }, (_, index) => ({
    id: batch * points + index + 1,
    vector: vector(),
    payload: { record: batch, chunk: index, text: 'capacity '.repeat(12) },
  }));
  const body = Buffer.from(JSON.stringify({ points: list }));
  const head =
    'PUT /collections/c/points?wait=true HTTP/1.1\r\nhost: bench\r\n' +
    `api-key: ${key}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), body]);
};

/**
 * Answers per second, and per second of the server's processor time, each socket sending its next request
 * when it has its answer. The second is the same on a machine that has other work to do.
 */
const rateOf = async ({ port, pid }: Server, requests: readonly Buffer[]) => {
  let [answers, sending, failure] = [0, true, ''];
  const open = Array.from({ length: sockets }, (_, index) => {
    let next = index;
    const socket = connect(port, '127.0.0.1');
    const send = () => void socket.write(requests[next++ % requests.length]!);
    let seen = '';
    socket.on('connect', send).on('data', (part) => {
      seen += part.toString('latin1');
      // All three end their JSON answers with it, and with nothing else.
      if (!seen.endsWith('}')) return;
      if (!seen.startsWith('HTTP/1.1 200')) failure = seen;
      seen = '';
      answers++;
      if (sending) send();
    });
    socket.on('error', ({ message }) => {
      failure = message;
    });
    return socket;
  });
  await sleep(warmMs);
  const [before, began, used] = [answers, performance.now(), processorSeconds(pid)];
  await sleep(turnMs);
  const perSecond = ((answers - before) * 1_000) / (performance.now() - began);
  const perProcessorSecond = (answers - before) / (processorSeconds(pid) - used);
  sending = false;
  for (const socket of open) socket.destroy();
  if (failure !== '') throw new Error(failure);
  return { perSecond, perProcessorSecond };
};

const median = (values: number[]): number =>
  values.sort((a, b) => a - b)[Math.floor(values.length / 2)]!;

const sizes = process.argv.slice(2).map(Number);
for (const points of sizes.length > 0 ? sizes : [64, 128, 256]) {
  const requests = Array.from({ length: bodiesInTurn }, (_, batch) => requestOf(batch, points));
  const megabytes = requests[0]!.length / 1e6;
  const rates: Record<string, { perSecond: number; perProcessorSecond: number }[]> = {};
  for (let turn = 0; turn < turns; turn++) {
    for (const [name, server] of Object.entries(servers)) {
      rates[name] ??= [];
      rates[name].push(await rateOf(server, requests));
    }
  }
  console.log(`${points} points of ${dimensions}, ${megabytes.toFixed(2)} MB:`);
  for (const kind of ['perSecond', 'perProcessorSecond'] as const) {
    const rate = (name: string) => points * median(rates[name]!.map((one) => one[kind]));
    const [receiving, parsing, kneepoint] = [rate('receiving'), rate('parsing'), rate('kneepoint')];
    console.log(
      `  points ${kind === 'perSecond' ? 'per second' : "per second of the server's processor time"}: ` +
        `kneepoint ${kneepoint.toFixed(0)}, parsing ${parsing.toFixed(0)}, ` +
        `ratio ${(kneepoint / parsing).toFixed(1)}; only receiving ${receiving.toFixed(0)}`,
    );
  }
}
for (const child of children) child.kill();
