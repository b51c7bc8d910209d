import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { afterAll, expect, test } from 'vitest';
import { dockerClient } from '../../src/services/containers/runtime.ts';
import { startMysqlContainer } from '../../src/services/containers.ts';
import { MissingPartError } from '../../src/services/missing-part.ts';
import { withConnection } from '../../src/services/mysql/connect.ts';
import { inspect, ourContainers, withDocker } from './containers.ts';

const ask = (url: string, sql: string) =>
  withConnection(url, async (connection) => (await connection.query(sql))[0] as object[]);

withDocker('MySQL in a container', () => {
  const say = () => {};
  const image = process.env.KNEEPOINT_MYSQL_IMAGE;
  afterAll(() => {
    if (image === undefined) delete process.env.KNEEPOINT_MYSQL_IMAGE;
    else process.env.KNEEPOINT_MYSQL_IMAGE = image;
  });

  test('answers on loopback only, survives its own end with its data, and is gone after close', async () => {
    const before = await ourContainers();
    const mysql = await startMysqlContainer({ say });
    const { url, version, kind } = mysql;
    try {
      expect(kind).toBe('container');
      expect(version).toMatch(/^MySQL \d+\.\d+\.\d+$/);
      expect(await ask(url, 'SELECT DATABASE() AS name')).toEqual([{ name: 'kneepoint' }]);
      await ask(url, 'CREATE TABLE kept (id INT PRIMARY KEY)');

      const [id] = (await ourContainers()).filter((other) => !before.includes(other));
      const { NetworkSettings, Config } = await inspect(id!);
      expect(NetworkSettings.Ports['3306/tcp']?.map(({ HostIp }) => HostIp)).toEqual(['127.0.0.1']);
      expect(Config.Cmd!.join(' ')).not.toContain(new URL(url).password);

      await (await dockerClient()).container.getById(id!).kill();
      await expect(ask(url, 'SELECT 1')).rejects.toThrow();
      await mysql.ensure();
      expect(mysql.url).toBe(url);
      expect(await ask(url, 'SHOW TABLES')).toHaveLength(1);
      await mysql.ensure();
    } finally {
      await mysql.close();
    }
    expect(await ourContainers()).toEqual(before);
    await mysql.close();
    await expect(ask(url, 'SELECT 1')).rejects.toThrow();
  });

  test('leaves nothing behind when it is interrupted while it starts', async () => {
    const before = await ourContainers();
    const stop = new AbortController();
    const starting = startMysqlContainer({ say, signal: stop.signal });
    const outcome = expect(starting).rejects.toThrow('enough');
    while ((await ourContainers()).length === before.length)
      await new Promise((resolve) => setTimeout(resolve, 20));
    stop.abort(new Error('enough'));
    await outcome;
    expect(await ourContainers()).toEqual(before);
  });

  test('an image that ends at once is named in one line with the last thing it said', async () => {
    process.env.KNEEPOINT_MYSQL_IMAGE = process.env.KNEEPOINT_IMAGE!;
    const failure = await startMysqlContainer({ say }).catch((error) => error);
    expect(failure).toBeInstanceOf(MissingPartError);
    expect(failure.message).toMatch(/^the container of \S+ ended \(.+KNEEPOINT_MYSQL_IMAGE/);
    expect(failure.message).not.toContain('\n');
  });

  test("an image that can't be had is named with the ways out", async () => {
    process.env.KNEEPOINT_MYSQL_IMAGE = 'localhost:1/no-such/mysql:8';
    const failure = await startMysqlContainer({ say }).catch((error) => error);
    expect(failure).toBeInstanceOf(MissingPartError);
    expect(failure.message).toMatch(/localhost:1\/no-such\/mysql:8 can't be had \(.+\)\. /);
    expect(failure.ways.join()).toContain('KNEEPOINT_MYSQL_IMAGE');
  });

  // A Docker at the usual socket would be found instead.
  test.skipIf(existsSync('/var/run/docker.sock'))('says where no Docker answers', () => {
    const script =
      "import('./src/services/containers.ts').then(async (c) => console.log(await c.dockerProblem()))";
    const said = execFileSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
      env: { ...process.env, DOCKER_HOST: 'unix:///nowhere.sock' },
    });
    expect(said.trim()).toBe('no Docker answers at DOCKER_HOST=unix:///nowhere.sock');
  });
});
