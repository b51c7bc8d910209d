/** Services behind TLS and behind a proxy. Certificates are made for the occasion: skipped where there is no openssl. */
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer as createProxy } from 'node:http';
import { createServer } from 'node:https';
import { type AddressInfo, connect, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startPassThrough } from './pass-through.ts';

const openssl = 'openssl';
const hasOpenssl = (() => {
  try {
    return execFileSync(openssl, ['version']).length > 0;
  } catch {
    return false;
  }
})();

const folder = mkdtempSync(join(tmpdir(), 'pass-through-'));
const [keyPath, certPath] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
const closing: (() => unknown)[] = [() => rmSync(folder, { recursive: true })];
afterAll(async () => {
  for (const close of closing.reverse()) await close();
});

const listening = async (server: Server & { closeAllConnections: () => void }): Promise<number> => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
};

/** Asks once through a pass-through of its own process, which trusts the certificate, and prints what it got. */
const askInTrust = `
  const { startPassThrough } = await import(process.env.PASS_THROUGH);
  const through = await startPassThrough({
    openaiUrl: process.env.OPENAI,
    qdrantUrl: 'http://127.0.0.1:9',
    sink: () => {},
    proxyEnv: { HTTPS_PROXY: process.env.VIA },
  });
  const body = '{"model":"text-embedding-3-small","input":"text"}';
  const answer = await fetch(through.openaiUrl + '/embeddings', { method: 'POST', body });
  console.log(answer.status, await answer.text(), through.hosts.openai);
  await through.settled();
  console.log(through.spending().tokens);
  await through.close();
`;

describe.skipIf(!hasOpenssl)('a service behind TLS', () => {
  let port = 0;
  const asked: (string | false | null)[] = [];
  const tunnels: string[] = [];

  beforeAll(async () => {
    const subject = '-subj /CN=localhost -addext subjectAltName=DNS:localhost';
    const made = `req -x509 -newkey rsa:2048 -nodes -days 1 ${subject} -keyout ${keyPath} -out ${certPath}`;
    execFileSync(openssl, made.split(' '), { stdio: 'ignore' });
    const certificate = { key: readFileSync(keyPath), cert: readFileSync(certPath) };
    port = await listening(
      createServer(certificate, (request, response) => {
        asked.push((request.socket as TLSSocket).servername as string);
        response.end('{"usage":{"total_tokens":9}}');
      }),
    );
  });

  const trusting = async (via = ''): Promise<string> => {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--input-type=module', '--eval', askInTrust],
      {
        env: {
          NODE_EXTRA_CA_CERTS: certPath,
          PASS_THROUGH: new URL('pass-through.ts', import.meta.url).href,
          OPENAI: `https://localhost:${port}/v1`,
          VIA: via,
        },
      },
    );
    return stdout;
  };
  const expected = () => `200 {"usage":{"total_tokens":9}} https://localhost:${port}\n9\n`;

  test('is asked by its name, with its certificate verified', async () => {
    expect(await trusting()).toBe(expected());
    expect(asked.pop()).toBe('localhost');
  });

  test('with a certificate that nobody vouches for is not asked, and the way out is named', async () => {
    const through = await startPassThrough({
      openaiUrl: `https://localhost:${port}/v1`,
      qdrantUrl: 'http://127.0.0.1:9',
      sink: () => {},
    });
    closing.push(through.close);
    const body = '{"model":"text-embedding-3-small","input":"text"}';
    const answer = await fetch(`${through.openaiUrl}/embeddings`, { method: 'POST', body });
    expect(answer.status).toBe(502);
    expect(await answer.text()).toMatch(/SELF_SIGNED_CERT.*NODE_EXTRA_CA_CERTS/);
    expect(asked).toEqual([]);
    await through.settled();
    expect(through.spending()).toMatchObject({ usd: 0, estimated: 0 });
  });

  test('is reached through the proxy of the environment', async () => {
    const proxy = createProxy();
    proxy.on('connect', ({ url = '' }, socket) => {
      tunnels.push(url);
      const onward = connect(port, '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        onward.pipe(socket).pipe(onward);
      });
      onward.on('error', () => socket.destroy());
      socket.on('error', () => onward.destroy());
    });
    const proxyPort = await listening(proxy);
    expect(await trusting(`http://127.0.0.1:${proxyPort}`)).toBe(expected());
    expect(tunnels).toEqual([`localhost:${port}`]);
  });
});
