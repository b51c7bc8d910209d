import type { FastifyReply } from 'fastify';
import type { Answer, SocketFault } from './endpoint.ts';

/** Bytes of the body that come before the connection breaks. */
const partBytes = (body: Buffer) => Math.min(200, Math.floor(body.length / 2));

const dribbleSteps = 20;

/** Answers as a broken connection does. What was to be sent is in `answer`. */
export function sendBroken(reply: FastifyReply, answer: Answer, { kind, ms }: SocketFault): void {
  reply.hijack();
  const { raw } = reply;
  const { socket } = raw;
  if (!socket) return;
  const body = Buffer.from(answer.body);
  const head = () => {
    raw.writeHead(answer.status, {
      'content-type': 'application/json',
      ...answer.headers,
      'content-length': String(body.length),
    });
  };
  const part = (then: () => void) => {
    head();
    raw.write(body.subarray(0, partBytes(body)), then);
  };
  switch (kind) {
    case 'reset':
      socket.resetAndDestroy();
      return;
    case 'close':
      socket.destroy();
      return;
    case 'reset-body':
      // A reset overtakes bytes that the client has not read: it gets a moment to read them.
      part(() => setTimeout(() => socket.resetAndDestroy(), 20).unref());
      return;
    case 'short-body':
      part(() => socket.end());
      return;
    case 'garbage':
      socket.end('\u0000\u0001 this is not HTTP \r\n\r\n');
      return;
    case 'stall':
      // Until the client gives up; a server that stops closes it too.
      head();
      raw.flushHeaders();
      return;
    case 'dribble': {
      head();
      const step = Math.max(1, Math.ceil(body.length / dribbleSteps));
      const next = (at: number) => {
        if (socket.destroyed) return;
        raw.write(body.subarray(at, at + step));
        if (at + step >= body.length) raw.end();
        else setTimeout(next, ms / dribbleSteps, at + step).unref();
      };
      next(0);
    }
  }
}
