import { describe, expect, test } from 'vitest';
import { UsageError } from '../../usage-error.ts';
import { readUpstream, refuseOwn } from './upstream.ts';

const thrownBy = (run: () => unknown): Error => {
  try {
    run();
  } catch (error) {
    return error as Error;
  }
  return expect.unreachable('should have been refused');
};

describe('an address', () => {
  test.each([
    ['openai', 'https://api.openai.com/v1', 'https://api.openai.com', 443, '/v1'],
    ['openai', 'http://127.0.0.1:4610/v1/', 'http://127.0.0.1:4610', 4_610, '/v1'],
    [
      'openai',
      'https://gateway.example/team/openai/v1',
      'https://gateway.example',
      443,
      '/team/openai/v1',
    ],
    // The official clients take 6333 where nothing is written, whatever the scheme.
    ['qdrant', 'https://x.cloud.qdrant.io', 'https://x.cloud.qdrant.io:6333', 6_333, ''],
    ['qdrant', 'https://x.cloud.qdrant.io:443', 'https://x.cloud.qdrant.io', 443, ''],
    ['qdrant', 'http://localhost:6333/', 'http://localhost:6333', 6_333, ''],
    ['qdrant', 'http://localhost/qdrant', 'http://localhost:6333', 6_333, '/qdrant'],
    ['qdrant', ' http://[::1]:7000 ', 'http://[::1]:7000', 7_000, ''],
    ['qdrant', 'http://[::1]', 'http://[::1]:6333', 6_333, ''],
  ] as const)('%s %s', (service, given, origin, port, prefix) => {
    expect(readUpstream(service, given)).toMatchObject({ origin, port, prefix });
  });

  test.each([
    ['openai', 'ftp://host/v1', 'OPENAI_BASE_URL: no http'],
    ['openai', 'api.openai.com', 'OPENAI_BASE_URL: no http'],
    ['qdrant', '', 'QDRANT_URL: no http'],
    ['qdrant', 'http://', 'QDRANT_URL: no http'],
    ['qdrant', 'https://user:topsecret@host:6333', 'put the key into QDRANT_API_KEY'],
    ['openai', 'https://topsecret@host/v1', 'put the key into OPENAI_API_KEY'],
    ['openai', 'https://host/v1?key=topsecret', 'query'],
    ['qdrant', 'https://host:6333#topsecret', 'fragment'],
  ] as const)('refused in one line that shows no secret: %s %s', (service, given, words) => {
    const error = thrownBy(() => readUpstream(service, given));
    expect(error).toBeInstanceOf(UsageError);
    expect(error.message).toContain(words);
    expect(error.message).not.toMatch(/topsecret|\n/);
  });

  test.each([
    'http://127.0.0.1:5000',
    'http://localhost:5000/v1',
    'http://0.0.0.0:5000',
    'http://[::1]:5000',
  ])('may not be our own: %s', (given) => {
    const upstream = readUpstream('qdrant', given);
    expect(thrownBy(() => refuseOwn(upstream, [4_000, 5_000]))).toBeInstanceOf(UsageError);
    refuseOwn(upstream, [4_000, 5_001]);
  });

  test('of another machine is not our own, whatever its port', () => {
    refuseOwn(readUpstream('qdrant', 'http://10.0.0.1:5000'), [5_000]);
  });
});
