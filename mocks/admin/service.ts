import { timingSafeEqual } from 'node:crypto';
import { type Answer, jsonAnswer, type MockRequest, type Service } from '../endpoint.ts';
import type { Runs } from '../runs.ts';

/** What the mocks know of themselves. Always behind a token, on a port of its own. */
export function adminService(runs: Runs, token: string): Service {
  const expected = Buffer.from(`Bearer ${token}`);
  const guarded =
    (answer: () => Answer) =>
    ({ headers }: MockRequest): Answer => {
      const given = Buffer.from(String(headers.authorization ?? ''));
      const known = given.length === expected.length && timingSafeEqual(given, expected);
      return known
        ? answer()
        : jsonAnswer(401, { error: 'send the token: Authorization: Bearer <token>' });
    };
  const profiles = () =>
    jsonAnswer(200, {
      profiles: runs.all().map(({ name, lab, speed, seen }) => ({
        name,
        tier: lab.openai.tier,
        plan: lab.qdrant.plan,
        limits: lab.openai.limits,
        speed,
        ...seen,
      })),
    });
  return {
    endpoints: [
      { method: 'GET', path: '/healthz', answer: () => jsonAnswer(200, { status: 'ok' }) },
      { method: 'GET', path: '/profiles', answer: guarded(profiles) },
      {
        method: 'POST',
        path: '/reset',
        answer: guarded(() => {
          runs.reset();
          return jsonAnswer(200, { status: 'reset' });
        }),
      },
    ],
    bodyLimitBytes: 64 * 1024,
    notFound: (method, path) => jsonAnswer(404, { error: `no route ${method} ${path}` }),
    badJson: (message) => jsonAnswer(400, { error: message }),
    tooLarge: () => jsonAnswer(413, { error: 'the body is too large' }),
  };
}
