import { QdrantClient } from '@qdrant/js-client-rest';
import OpenAI from 'openai';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { dockerClient } from '../../src/services/containers/runtime.ts';
import { type RunningContainer, startContainer } from '../../src/services/containers/start.ts';
import { execIn, inspect, until, withDocker } from './containers.ts';

withDocker('the image', () => {
  let mocks: RunningContainer;
  const url = (port: number) => `http://127.0.0.1:${mocks.hostPort(port)}`;
  /** A script in the container; what it throws is its answer. */
  const node = async (script: string) => {
    const { stdout, stderr } = await execIn(mocks.id, ['node', '-e', script]);
    return stdout + stderr;
  };

  beforeAll(async () => {
    mocks = await startContainer({
      image: process.env.KNEEPOINT_IMAGE!,
      imageVariable: 'KNEEPOINT_IMAGE',
      ports: [4610, 4611, 4612, 4633],
      locked: true,
      say: () => {},
      ready: async (port) =>
        fetch(`http://127.0.0.1:${port(4612)}/healthz`).then(
          ({ ok }) => ok,
          () => false,
        ),
    });
  });
  afterAll(async () => {
    await mocks?.remove();
  });

  test('runs as nobody, without capabilities, and can write nothing but /tmp', async () => {
    const { HostConfig, Config, NetworkSettings } = await inspect(mocks.id);
    expect(HostConfig.ReadonlyRootfs).toBe(true);
    expect(Config.User).toMatch(/^[1-9]\d*:[1-9]\d*$/);
    const published = Object.values(NetworkSettings.Ports).flat();
    expect(new Set(published.map((binding) => binding?.HostIp))).toEqual(new Set(['127.0.0.1']));

    const status = await node("process.stdout.write(fs.readFileSync('/proc/1/status', 'utf8'))");
    expect(status).toMatch(/^CapEff:\s+0+$/m);
    expect(status).toMatch(/^CapBnd:\s+0+$/m);
    expect(status).toMatch(/^NoNewPrivs:\s+1$/m);
    expect(status).toMatch(/^Uid:(\s+10001){4}$/m);
    expect(await node("fs.writeFileSync('/app/x', '')")).toContain('EROFS');
    expect(await node("fs.writeFileSync('/tmp/x', '')")).toBe('');
  });

  test('its own health check finds it healthy', async () => {
    await until(async () => (await inspect(mocks.id)).State.Health?.Status === 'healthy');
  });

  test('answers the official OpenAI client', async () => {
    const client = new OpenAI({
      apiKey: 'sk-kneepoint-unlimited-image',
      baseURL: `${url(4610)}/v1`,
    });
    const { data, usage } = await client.embeddings.create({
      model: 'text-embedding-3-small',
      input: ['one', 'two'],
      dimensions: 8,
    });
    expect(data.map(({ embedding }) => embedding.length)).toEqual([8, 8]);
    expect(usage.total_tokens).toBe(2);
  });

  test('answers the official Qdrant client', async () => {
    const client = new QdrantClient({
      url: url(4633),
      apiKey: 'kneepoint-unlimited-image',
      checkCompatibility: false,
    });
    await client.createCollection('c', { vectors: { size: 2, distance: 'Cosine' } });
    await client.upsert('c', { wait: true, points: [{ id: 1, vector: [1, 0] }] });
    expect((await client.count('c')).count).toBe(1);
  });

  test('holds what it runs and nothing that only we need', async () => {
    const listed = await node(
      "process.stdout.write(JSON.stringify(fs.readdirSync('/app', { recursive: true })))",
    );
    const names = JSON.parse(listed) as string[];
    const top = new Set(names.map((name) => name.split('/')[0]));
    expect([...top].sort()).toEqual(['dist', 'node_modules', 'package.json']);
    const own = names.filter((name) => name.startsWith('dist/'));
    expect(own).toContain('dist/src/cli.js');
    expect(own.filter((name) => /\.test\.|(^|\/)test\//.test(name))).toEqual([]);
    const packages = names.filter((name) => /^node_modules\/(@[^/]+\/)?[^/]+$/.test(name));
    expect(packages).toContain('node_modules/fastify');
    for (const developers of ['typescript', 'vitest', 'testcontainers', 'openai', '@biomejs/biome'])
      expect(packages).not.toContain(`node_modules/${developers}`);
  });

  test('runs the other commands too', async () => {
    const { output } = await execIn(mocks.id, [
      ...['node', '/app/dist/src/cli.js', 'simulate', 'linear', '--json', '--out', '/tmp/results'],
    ]);
    expect(output).toContain('"engine": "simulate"');
  });

  test('stops when it is told, without being killed', async () => {
    const { container } = await dockerClient();
    await container.getById(mocks.id).stop({ t: 30 });
    expect(await mocks.ended()).toBe(0);
  });
});
