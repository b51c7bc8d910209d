import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { endScope, findScope, memoryLimitProblem, scopeCommand } from './memory-limit.ts';
import { temporaryFolder } from './start-watched.ts';

const path = process.env.PATH;
afterEach(() => {
  process.env.PATH = path;
});

/** Stands before the real programs on PATH: no service manager can be relied on where tests run. */
function pretend(programs: Record<string, string>): string {
  const folder = temporaryFolder();
  for (const [name, script] of Object.entries(programs)) {
    writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`);
    chmodSync(join(folder, name), 0o700);
  }
  process.env.PATH = `${folder}:${path}`;
  return folder;
}

test.runIf(process.platform === 'linux')(
  'a scope is tried out before it is relied on',
  async () => {
    const folder = pretend({ 'systemd-run': 'echo "$@" >>"$0.calls"' });
    const scope = await findScope(512);
    const manager = process.getuid?.() === 0 ? '--system' : '--user';
    expect(scope).toMatchObject({ manager });
    expect(readFileSync(join(folder, 'systemd-run.calls'), 'utf8')).toBe(
      `${manager} --scope --quiet --unit=${scope!.unit}-trial --property=MemoryMax=524288K --property=MemorySwapMax=0 -- true\n`,
    );
    expect(scopeCommand(scope!, 1.5).join(' ')).toContain('MemoryMax=1536K');

    pretend({ 'systemd-run': 'echo "Failed to connect to bus" >&2; exit 1' });
    expect(await findScope(512)).toBeUndefined();
  },
);

test.runIf(process.platform === 'linux')(
  'systemd tells whether a scope ran out of memory',
  async () => {
    const scope = { unit: 'kneepoint-x', manager: '--user' } as const;
    pretend({ systemctl: 'echo oom-kill' });
    expect(await endScope(scope)).toEqual({ limitHit: true });
    pretend({ systemctl: 'echo success' });
    expect(await endScope(scope)).toEqual({ limitHit: false });
    pretend({ systemctl: 'exit 1' });
    expect(await endScope(scope)).toEqual({ limitHit: false });
  },
);

test('why there is no limit is told in one line', async () => {
  const problem = await memoryLimitProblem();
  if (process.platform !== 'linux') expect(problem).toContain('Linux');
  if (problem !== undefined) expect(problem).not.toMatch(/\n/);
});
