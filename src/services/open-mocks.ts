import { usualMaxBytes } from '../../mocks/qdrant/ledger.ts';
import type { OpenSource } from '../../mocks/records/source.ts';
import { type MockPorts, type Mocks, startMocks } from '../../mocks/server.ts';
import { checkLab } from '../lab-file.ts';
import type { Lab } from '../model/lab.ts';
import { version } from '../provenance.ts';
import { UsageError } from '../usage-error.ts';

/**
 * Starts the mocks, and explains in one line a port or a host that can't be had. `maxBytes` is what all
 * stored points may take; `openSource` is where records come from, where they are not generated.
 */
export async function openMocks(
  lab: Lab,
  speed: number,
  host: string,
  ports: MockPorts,
  maxBytes: number = usualMaxBytes,
  openSource?: OpenSource,
): Promise<Mocks> {
  try {
    const check = (given: unknown) => checkLab(given, 'lab');
    const more = { version, checkLab: check, maxBytes, openSource };
    return await startMocks({ lab, speed, host, ports, ...more });
  } catch (error) {
    const { code, portOption, port } = error as NodeJS.ErrnoException & {
      portOption?: string;
      port?: number;
    };
    if (portOption === undefined) throw error;
    if (code === 'EADDRINUSE')
      throw new UsageError(`${portOption}: port ${port} is in use; give another, or 0 for any`);
    throw new UsageError(`${portOption}: cannot listen on ${host}:${port} (${code})`);
  }
}
