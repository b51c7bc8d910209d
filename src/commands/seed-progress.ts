/** Milliseconds between lines where nothing can be redrawn. */
const everyMs = 3_000;

const grouped = (count: number) => String(count).replace(/\B(?=(\d{3})+$)/g, ',');

/**
 * Tells how the filling of a table goes: one line redrawn on a terminal, a line every few seconds
 * elsewhere. What is over at once is not worth a line.
 */
export function createSeedProgress(out: NodeJS.WriteStream) {
  const tty = out.isTTY === true;
  const beganMs = performance.now();
  let firstDone: number | undefined;
  let toldMs = beganMs;
  return {
    update(done: number, all: number) {
      const nowMs = performance.now();
      firstDone ??= done;
      if (!tty && nowMs - toldMs < everyMs) return;
      toldMs = nowMs;
      const perSecond = ((done - firstDone) / Math.max(1, nowMs - beganMs)) * 1_000;
      const leftSeconds = perSecond > 0 ? Math.ceil((all - done) / perSecond) : undefined;
      const left = leftSeconds === undefined ? '' : `, ${grouped(leftSeconds)} s left`;
      const line = `kneepoint: records: ${grouped(done)} of ${grouped(all)}${left}`;
      out.write(tty ? `\r\x1b[2K${line}` : `${line}\n`);
    },
    close() {
      if (tty) out.write('\r\x1b[2K');
    },
  };
}
