/** What bench/upserts.ts holds the Qdrant mock against: `node bench/upserts-peer.ts parsing|receiving FILE` */
import { renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import Fastify from 'fastify';

const [kind, file] = process.argv.slice(2);
const answer = '{"result":{"operation_id":0,"status":"completed"},"status":"ok","time":0}';

const tell = (port: number): void => {
  writeFileSync(`${file}.tmp`, String(port));
  renameSync(`${file}.tmp`, file!);
};

type Point = { id: number; vector: number[]; payload: object };

if (kind === 'parsing') {
  const points = new Map<number, Point>();
  const app = Fastify({ bodyLimit: 32 * 1024 * 1024 });
  app.put<{ Body: { points: Point[] } }>('/collections/:name/points', (request, reply) => {
    for (const point of request.body.points) points.set(point.id, point);
    reply.header('content-type', 'application/json').send(answer);
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  tell((app.server.address() as AddressInfo).port);
} else {
  const server = createServer((request, response) => {
    request.resume().on('end', () => {
      response.writeHead(200, {
        'content-type': 'application/json',
        'content-length': answer.length,
      });
      response.end(answer);
    });
  });
  server.listen(0, '127.0.0.1', () => tell((server.address() as AddressInfo).port));
}
