import type { AddressInfo } from 'node:net';
import { setupServer } from 'msw/node';
import type { Service } from '../../mocks/endpoint.ts';
import { serve } from '../../mocks/fastify.ts';
import { openai, qdrant } from '../../mocks/msw.ts';
import { openaiService } from '../../mocks/openai/service.ts';
import { qdrantService } from '../../mocks/qdrant/service.ts';
import { createRuns } from '../../mocks/runs.ts';
import { completeLab } from '../../src/model/lab.ts';
import type { LabFile } from '../../src/model/lab-schema.ts';
import { key } from './requests.ts';

/** Virtual seconds per second: buckets are full again, and queues empty, before the next request. */
const speed = 1_000;

/** A way to both services, and how to close it. */
type OpenDoor = { openai: string; qdrant: string; close: () => Promise<void> };

export type DoorName = 'HTTP' | 'MSW';
export const doorNames: DoorName[] = ['HTTP', 'MSW'];

async function overHttp(given: LabFile): Promise<OpenDoor> {
  const runs = createRuns(completeLab(given), speed);
  const runOf = (asked: string) => (asked === key ? runs.openai('lab') : undefined);
  const open = async (service: Service) => {
    const app = serve(service);
    await app.listen({ host: '127.0.0.1', port: 0 });
    const { port } = app.server.address() as AddressInfo;
    return { app, url: `http://127.0.0.1:${port}` };
  };
  const [one, other] = await Promise.all([open(openaiService(runOf)), open(qdrantService(runOf))]);
  const close = async () => void (await Promise.all([one.app.close(), other.app.close()]));
  return { openai: one.url, qdrant: other.url, close };
}

function throughMsw(lab: LabFile): OpenDoor {
  const urls = { openai: 'https://api.openai.com', qdrant: 'http://qdrant.test:6333' };
  const options = { lab, speed, keys: [key] };
  const server = setupServer(...openai(options), ...qdrant({ ...options, baseUrl: urls.qdrant }));
  server.listen({ onUnhandledFrame: 'error' });
  return { ...urls, close: async () => server.close() };
}

/** Only one of them at a time: MSW is in the way of every request of its process. */
export const openDoor = async (name: DoorName, lab: LabFile): Promise<OpenDoor> =>
  name === 'HTTP' ? await overHttp(lab) : throughMsw(lab);
