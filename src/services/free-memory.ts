import { readFileSync } from 'node:fs';
import { freemem } from 'node:os';

/** MiB that programs can have without making the machine swap. */
export function freeMemoryMb(): number {
  try {
    // What the kernel would give up of its caches is free as well; Node's freemem leaves that out on old kernels.
    const [, kilobytes] = /^MemAvailable:\s+(\d+) kB$/m.exec(
      readFileSync('/proc/meminfo', 'utf8'),
    )!;
    return Number(kilobytes) / 1_024;
  } catch {
    return freemem() / 2 ** 20;
  }
}
