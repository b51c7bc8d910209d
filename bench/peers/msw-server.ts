/** MSW behind a server, as a user would put it there: each request goes through MSW's own handler lookup. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { HttpResponse, http } from 'msw';
import { getResponse } from 'msw/utils/get-response';

const answer = readFileSync(process.argv[2]!, 'utf8');
const handlers = [
  http.post('*/v1/embeddings', async ({ request }) => {
    await request.json();
    return new HttpResponse(answer, { headers: { 'content-type': 'application/json' } });
  }),
];
const server = createServer((request, response) => {
  const parts: Buffer[] = [];
  request.on('data', (part: Buffer) => parts.push(part));
  request.on('end', async () => {
    const asked = new Request(`http://localhost${request.url}`, {
      method: request.method!,
      headers: request.headers as Record<string, string>,
      body: Buffer.concat(parts),
    });
    const given = await getResponse(handlers, asked);
    response.writeHead(given!.status, { 'content-type': 'application/json' });
    response.end(await given!.text());
  });
});
server.listen(Number(process.argv[3]), '127.0.0.1');
