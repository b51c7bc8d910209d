import { spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Mocks } from '../../mocks/server.ts';
import { packageRoot } from '../package-root.ts';
import type { Bench } from './k6.ts';

const script = join(packageRoot, 'k6', 'lab.ts');

/** k6 as a process of this machine, and mocks in our own. */
export function localBench(k6: { path: string; version: string }, mocks: Mocks): Bench {
  return {
    k6Version: k6.version,
    runs: async () =>
      mocks.runs.all().map(({ name, lab, seen }) => ({ name, lab: lab.name, ...seen })),
    async runK6({ env, labPath, summaryPath, signal }) {
      // By environment rather than by flags: a key must not be seen in the list of processes.
      const child = spawn(k6.path, ['run', '--quiet', '--include-system-env-vars=true', script], {
        env: {
          KNEEPOINT_OPENAI_URL: mocks.openaiUrl,
          KNEEPOINT_QDRANT_URL: mocks.qdrantUrl,
          KNEEPOINT_RECORDS_URL: mocks.recordsUrl,
          ...env,
          KNEEPOINT_LAB: labPath,
          KNEEPOINT_SUMMARY: summaryPath,
          PATH: process.env.PATH,
          HOME: process.env.HOME,
          K6_NO_USAGE_REPORT: 'true',
          K6_AUTO_EXTENSION_RESOLUTION: 'false',
          // Half the collections: a pause of 5 ms is 50 virtual ones.
          GOGC: '400',
        },
        stdio: ['ignore', 'ignore', 'pipe'],
        // Ctrl-C reaches the whole terminal group: we decide when k6 stops.
        detached: true,
      });
      const kill = () => child.kill('SIGKILL');
      signal.addEventListener('abort', kill, { once: true });
      process.once('exit', kill);
      let stderr = '';
      child.stderr.on('data', (text: Buffer) => {
        if (stderr.length < 10_000) stderr += text.toString();
      });
      try {
        const exitCode = await new Promise<number | string>((resolve, reject) => {
          child.on('error', reject);
          child.on('close', (code, signalName) => resolve(code ?? signalName ?? 'unknown'));
        });
        return { exitCode, stderr };
      } finally {
        signal.removeEventListener('abort', kill);
        process.removeListener('exit', kill);
      }
    },
  };
}
