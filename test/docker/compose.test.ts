import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { withConnection } from '../../src/services/mysql/connect.ts';
import { withDocker } from './containers.ts';

const root = join(import.meta.dirname, '..', '..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');

const ports = {
  KNEEPOINT_MYSQL_PORT: '0',
  KNEEPOINT_OPENAI_PORT: '0',
  KNEEPOINT_RECORDS_PORT: '0',
  KNEEPOINT_ADMIN_PORT: '0',
  KNEEPOINT_QDRANT_PORT: '0',
};
const project = `kneepoint-test-${process.pid}`;

/** `docker compose` in the clone, as a project of its own and on free ports. Rejects where it fails. */
async function compose(...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)('docker', ['compose', '-p', project, ...args], {
    cwd: root,
    env: { ...process.env, ...ports, KNEEPOINT_RECORDS: '40' },
    maxBuffer: 64 * 1024 * 1024,
  });
  return stdout;
}

/** Where a port of a service is published. */
const published = async (service: string, port: number) =>
  (await compose('port', service, String(port))).trim();

type Service = {
  image: string;
  ports?: { host_ip?: string }[];
  security_opt?: string[];
  read_only?: boolean;
};

withDocker('docker compose', () => {
  test('every profile is valid, pinned, on loopback, and without a way to more rights', async () => {
    const whole = await compose('--profile', '*', 'config', '--format', 'json');
    const { services } = JSON.parse(whole) as { services: Record<string, Service> };
    expect(Object.keys(services).sort()).toEqual(
      ['grafana', 'k6', 'mocks', 'mysql', 'prometheus', 'qdrant', 'seed'].sort(),
    );
    for (const [name, { image, ports = [], security_opt: options }] of Object.entries(services)) {
      expect(image, name).not.toMatch(/:latest$|^[^:]+$/);
      expect(options, name).toEqual(['no-new-privileges:true']);
      for (const { host_ip: address } of ports) expect(address, name).toBe('127.0.0.1');
    }
  });

  test('every image can be named by the environment', async () => {
    const written = parse(read('docker-compose.yml'), { merge: true }) as {
      services: Record<string, Service>;
    };
    for (const [name, { image }] of Object.entries(written.services))
      expect(image, name).toMatch(/^\$\{KNEEPOINT_(\w+_)?IMAGE:-[^:]+:[^:]+\}$/);
  });
});

withDocker('docker compose up', () => {
  beforeAll(() => compose('up', '--detach', '--wait', '--no-build'));
  afterAll(() => compose('--profile', '*', 'down', '--volumes', '--timeout', '10'));

  test('MySQL has the records that were asked for', async () => {
    const url = `mysql://root:kneepoint@${await published('mysql', 3306)}/kneepoint`;
    const rows = await withConnection(url, async (connection) => {
      const [found] = await connection.query('SELECT COUNT(*) AS count FROM records');
      return found;
    });
    expect(rows).toEqual([{ count: 40 }]);
  });

  test('the mocks answer on this machine, and their admin port only with the token', async () => {
    const openai = await fetch(`http://${await published('mocks', 4610)}/v1/models`, {
      headers: { authorization: 'Bearer sk-kneepoint-tier-1' },
    });
    expect(openai.status).toBe(200);
    const metrics = `http://${await published('mocks', 4612)}/metrics`;
    expect((await fetch(metrics)).status).toBe(401);
    const ready = await compose('exec', 'mocks', 'cat', '/run/kneepoint/ready.json');
    const { token } = (JSON.parse(ready) as { admin: { token: string } }).admin;
    const headers = { authorization: `Bearer ${token}` };
    expect((await fetch(metrics, { headers })).status).toBe(200);
  });

  test('what Prometheus is told to scrape can be scraped from where it runs', async () => {
    const { scrape_configs: scrapes } = parse(read('docker/prometheus/prometheus.yml')) as {
      scrape_configs: {
        authorization: { credentials_file: string };
        static_configs: { targets: string[] }[];
      }[];
    };
    const { authorization, static_configs: places } = scrapes[0]!;
    const id = (await compose('ps', '--quiet', 'mocks')).trim();
    // In the network of the mocks, with their volume and as its owner: as the service of Prometheus is.
    const script = `
      const token = fs.readFileSync('${authorization.credentials_file}', 'utf8');
      fetch('http://${places[0]!.targets[0]}/metrics', { headers: { authorization: 'Bearer ' + token } })
        .then((answer) => answer.text()).then((text) => process.stdout.write(text));`;
    const { stdout } = await promisify(execFile)('docker', [
      ...['run', '--rm', '--network', `container:${id}`, '--user', '10001:10001'],
      ...['--volume', `${project}_run:/run/kneepoint:ro`, '--entrypoint', 'node'],
      ...[process.env.KNEEPOINT_IMAGE!, '-e', script],
    ]);
    const known = new Set([...stdout.matchAll(/^# TYPE (\w+)/gm)].map(([, name]) => name!));
    expect(known.size).toBeGreaterThan(5);

    const dashboard = JSON.parse(read('docker/grafana/dashboards/mocks.json')) as {
      panels: { title: string; targets: { expr: string }[] }[];
    };
    expect(dashboard.panels.length).toBeGreaterThan(5);
    for (const { title, targets } of dashboard.panels)
      for (const { expr } of targets)
        for (const [name] of expr.matchAll(/kneepoint_\w+/g))
          expect(known, title).toContain(name.replace(/_bucket$/, '').replace(/^(kneepoint)$/, ''));
  });

  test('k6 runs a lab against the mocks', async () => {
    const said = await compose(
      ...['--profile', 'k6', 'run', '--rm', '--no-deps', '-T'],
      ...['-e', 'WORKERS=2', '-e', 'RECORDS=10', 'k6'],
    );
    expect(said).toMatch(/Workers +\|/);
  });

  test('the containers run without rights and on a root that cannot be written', async () => {
    const id = (await compose('ps', '--quiet', 'mocks')).trim();
    const { stdout } = await promisify(execFile)('docker', ['inspect', id]);
    const [{ HostConfig, State }] = JSON.parse(stdout);
    expect(HostConfig).toMatchObject({ ReadonlyRootfs: true, CapDrop: ['ALL'], Privileged: false });
    expect(State.Health.Status).toBe('healthy');
  });
});
