import { renameSync, writeFileSync } from 'node:fs';
import { usualMaxBytes } from '../../mocks/qdrant/ledger.ts';
import { defaultPorts, type MockPorts } from '../../mocks/server.ts';
import { checkLab, readLabFile } from '../lab-file.ts';
import { openMocks } from '../services/open-mocks.ts';
import { UsageError } from '../usage-error.ts';

export type MocksOptions = {
  lab?: string;
  speed?: string;
  host: string;
  openaiPort?: string;
  qdrantPort?: string;
  recordsPort?: string;
  adminPort?: string;
  readyFile?: string;
  maxMemory?: string;
};

function port(option: string, text: string | undefined, usual: number): number {
  const value = text === undefined ? usual : Number(text);
  if (text?.trim() === '' || !Number.isInteger(value) || value < 0 || value > 65_535)
    throw new UsageError(`${option}: must be a port from 0 to 65535, got "${text}"`);
  return value;
}

function maxBytesOf(text: string | undefined): number {
  if (text === undefined) return usualMaxBytes;
  const megabytes = Number(text);
  if (text.trim() === '' || !Number.isInteger(megabytes) || megabytes < 1 || megabytes > 1_048_576)
    throw new UsageError(
      `--max-memory: must be a whole number of MiB from 1 to 1048576, got "${text}"`,
    );
  return megabytes * 2 ** 20;
}

/** Serves the mocks until SIGINT or SIGTERM. Prints what a shell can `eval`. */
export async function mocks(options: MocksOptions): Promise<number> {
  const name = options.lab ?? 'linear';
  const lab = checkLab(readLabFile(name), name);
  // Other people's clients can't be sped up: one virtual second is a real one unless told.
  const speed = options.speed === undefined ? 1 : Number(options.speed);
  if (!(speed > 0 && speed <= 1_000))
    throw new UsageError(`--speed: must be over 0 and at most 1000, got "${options.speed}"`);
  const ports: MockPorts = {
    openai: port('--openai-port', options.openaiPort, defaultPorts.openai),
    qdrant: port('--qdrant-port', options.qdrantPort, defaultPorts.qdrant),
    records: port('--records-port', options.recordsPort, defaultPorts.records),
    admin: port('--admin-port', options.adminPort, defaultPorts.admin),
  };
  const maxBytes = maxBytesOf(options.maxMemory);
  const running = await openMocks(lab, speed, options.host, ports, maxBytes);
  const { openaiUrl, qdrantUrl, recordsUrl, adminUrl, token } = running;
  const exports = {
    OPENAI_BASE_URL: openaiUrl,
    OPENAI_API_KEY: 'sk-kneepoint-lab',
    QDRANT_URL: qdrantUrl,
    QDRANT_API_KEY: 'kneepoint-lab',
    KNEEPOINT_RECORDS_URL: recordsUrl,
    KNEEPOINT_ADMIN_URL: adminUrl,
    KNEEPOINT_ADMIN_TOKEN: token,
  };
  for (const [variable, value] of Object.entries(exports))
    process.stdout.write(`export ${variable}=${value}\n`);
  if (options.readyFile !== undefined) {
    const ready = {
      openai: { url: openaiUrl },
      qdrant: { url: qdrantUrl },
      records: { url: recordsUrl },
      admin: { url: adminUrl, token },
      pid: process.pid,
    };
    const temporary = `${options.readyFile}.${process.pid}.tmp`;
    try {
      // The token is in it: for its owner's eyes only.
      writeFileSync(temporary, JSON.stringify(ready), { mode: 0o600 });
      renameSync(temporary, options.readyFile);
    } catch (error) {
      await running.close();
      throw new UsageError(
        `--ready-file: cannot write ${options.readyFile} (${(error as NodeJS.ErrnoException).code})`,
      );
    }
  }
  await new Promise<void>((resolve) => {
    process.once('SIGINT', () => resolve()).once('SIGTERM', () => resolve());
  });
  await running.close();
  return 0;
}
