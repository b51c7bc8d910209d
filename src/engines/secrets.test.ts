import { expect, test } from 'vitest';
import { secretsIn, withoutSecrets } from './secrets.ts';

test('secrets are known by the names of their variables, and by their place in an address', () => {
  const env = {
    PATH: '/usr/bin',
    OPENAI_API_KEY: 'sk-proj-abcdefghijklmnop',
    GITHUB_TOKEN: 'ghp_0123456789',
    USE_TOKENS: 'true',
    MYSQL_URL: 'mysql://root:p%40ss@127.0.0.1:3306/shop',
    EMPTY_KEY: '',
  };
  expect(secretsIn(env)).toEqual(['sk-proj-abcdefghijklmnop', 'ghp_0123456789', 'p@ss']);
});

test('a command line is told without them', () => {
  const command =
    'node ingest.js --key ghp_0123456789 --openai sk-proj-ZYXWVUTSRQPONMLK --workers 4';
  expect(withoutSecrets(command, ['ghp_0123456789'])).toBe(
    'node ingest.js --key [redacted] --openai [redacted] --workers 4',
  );
});
