import type { CellProgress } from '../engines/k6.ts';
import type { RawCell } from '../simulate/cell.ts';

/** `wasRun`: that it did not fit into memory was seen, not reckoned. */
type Ended = Pick<RawCell, 'feasible' | 'seconds' | 'openai'> & { wasRun?: boolean };

/** Tells how cells go: one line redrawn on a terminal, one line per finished cell elsewhere. */
export function createProgress(out: NodeJS.WriteStream) {
  const running = new Map<string, { sinceMs: number; text: string }>();
  const tty = out.isTTY === true;
  const clear = () => tty && out.write('\r\x1b[2K');
  const draw = () => {
    if (!tty) return;
    const parts = [...running].map(([cell, { sinceMs, text }]) => {
      const seconds = ((performance.now() - sinceMs) / 1_000).toFixed(0);
      return `${cell}${text} ${seconds} s`;
    });
    const line = parts.join(' · ');
    clear();
    out.write(line.slice(0, Math.max(20, (out.columns ?? 80) - 1)));
  };
  const timer = tty ? setInterval(draw, 250) : undefined;
  return {
    begin(cell: string) {
      running.set(cell, { sinceMs: performance.now(), text: '' });
      draw();
    },
    update(cell: string, { records, rateLimited }: Omit<CellProgress, 'workers'>, all: number) {
      const state = running.get(cell);
      const limited = rateLimited > 0 ? `, ${rateLimited} 429s` : '';
      if (state) state.text = ` ${records}/${all}${limited}`;
    },
    end(cell: string, { feasible, seconds, wasRun = false, openai: { rateLimited } }: Ended) {
      running.delete(cell);
      clear();
      const { rpm, tpm, rpd } = rateLimited;
      const limited = rpm + tpm + rpd > 0 ? `, ${rpm + tpm + rpd} 429s` : '';
      const noRoom = wasRun ? 'ran out of memory' : 'not run: over memory';
      out.write(`${cell}: ${feasible ? `${seconds.toFixed(1)} s${limited}` : noRoom}\n`);
      draw();
    },
    drop(cell: string) {
      running.delete(cell);
      clear();
    },
    close() {
      clearInterval(timer);
      clear();
    },
  };
}
