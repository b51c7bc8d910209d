import { randomBytes } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import type { Lab } from '../src/model/lab.ts';
import { createMetrics } from './admin/metrics.ts';
import { adminService } from './admin/service.ts';
import type { Service } from './endpoint.ts';
import { serve } from './fastify.ts';
import { type HarnessWatch, watchHarness } from './harness.ts';
import { createObservations, type Observations } from './observations.ts';
import { observed } from './observed.ts';
import { openaiService } from './openai/service.ts';
import { qdrantService } from './qdrant/service.ts';
import { recordsService } from './records/service.ts';
import type { OpenSource } from './records/source.ts';
import { createSources, type SourceFailures } from './records/sources.ts';
import { createRuns, type Runs } from './runs.ts';

export type MockPorts = { openai: number; qdrant: number; records: number; admin: number };

/** Where clients find the mocks unless told otherwise. */
export const defaultPorts: MockPorts = { openai: 4610, qdrant: 4633, records: 4611, admin: 4612 };

export type MockOptions = {
  lab: Lab;
  speed: number;
  host: string;
  ports: MockPorts;
  version: string;
  checkLab: (given: unknown) => Lab;
  /** Bytes of memory that all stored points may take; 2 GiB where absent. */
  maxBytes?: number;
  /** Where records come from; they are generated where absent. */
  openSource?: OpenSource | undefined;
};

/** Running mocks: where they listen, what state they hold, and how to stop them. */
export type Mocks = {
  openaiUrl: string;
  qdrantUrl: string;
  recordsUrl: string;
  adminUrl: string;
  token: string;
  runs: Runs;
  observations: Observations;
  harness: HarnessWatch;
  /** Closes what runs have opened of `openSource`, and says which reads failed since the last time. */
  endSources: () => Promise<SourceFailures | undefined>;
  close: () => Promise<void>;
};

const nameIn = (key: string, prefix: string): string | undefined =>
  key.startsWith(prefix) ? key.slice(prefix.length) : undefined;

/** Starts all mocks of a lab. Rejects with the port in the message where one can't be had. */
export async function startMocks(options: MockOptions): Promise<Mocks> {
  const { lab, speed, host, ports, version, checkLab } = options;
  const runs = createRuns(lab, speed, options.maxBytes);
  const observations = createObservations(runs);
  const { sink, gone } = observations;
  const metrics = createMetrics(runs, observations);
  const harness = watchHarness(runs, observations);
  const token = randomBytes(24).toString('base64url');
  const qdrantRun = (key: string) => {
    const name = nameIn(key, 'kneepoint-');
    return name === undefined ? undefined : runs.qdrant(name);
  };
  const openaiRun = (key: string) => {
    const name = nameIn(key, 'sk-kneepoint-');
    return name === undefined ? undefined : runs.openai(name);
  };
  const sources = options.openSource && createSources(options.openSource);
  const endSources = async () => sources?.end();
  const services: Record<keyof MockPorts, Service> = {
    openai: observed(openaiService(openaiRun), 'openai', sink, gone),
    qdrant: observed(qdrantService(qdrantRun), 'qdrant', sink, gone),
    records: recordsService({ runs, harness, version, checkLab, sources }),
    admin: adminService({ runs, observations, metrics, token, host, version, checkLab }),
  };

  const apps: FastifyInstance[] = [];
  const close = async () => {
    metrics.close();
    harness.close();
    await Promise.all(apps.map((app) => app.close()));
    await endSources();
  };
  const urls = {} as Record<keyof MockPorts, string>;
  for (const [name, service] of Object.entries(services) as [keyof MockPorts, Service][]) {
    const app = serve(service);
    apps.push(app);
    try {
      await app.listen({ host, port: ports[name] });
    } catch (error) {
      await close();
      throw Object.assign(error as Error, { portOption: `--${name}-port`, port: ports[name] });
    }
    const { port } = app.server.address() as AddressInfo;
    const shown = host.includes(':') ? `[${host}]` : host;
    urls[name] = `http://${shown}:${port}`;
  }
  return {
    openaiUrl: `${urls.openai}/v1`,
    qdrantUrl: urls.qdrant,
    recordsUrl: urls.records,
    adminUrl: urls.admin,
    token,
    runs,
    observations,
    harness,
    endSources,
    close,
  };
}
