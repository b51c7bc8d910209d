import { expect, test } from 'vitest';
import { serve } from './fastify.ts';
import { serverLimits } from './server-limits.ts';

test('every port has the limits', async () => {
  const answer = () => ({ status: 400, body: '' });
  const app = serve({
    endpoints: [],
    bodyLimitBytes: 1,
    notFound: answer,
    badJson: answer,
    tooLarge: answer,
  });
  const { headersTimeout, requestTimeout, keepAliveTimeout } = app.server;
  expect(serverLimits).toMatchObject({ headersTimeout, requestTimeout, keepAliveTimeout });
  await app.close();
});
