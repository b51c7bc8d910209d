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

test('passwords are short, and have other names', () => {
  const env = {
    MYSQL_PASSWORD: 'hunter2',
    MYSQL_PWD: 'abcd',
    DB_PASS: 'pass1',
    AUTH: 'Bearer 0123456789',
    SENTRY_DSN: 'https://abcdef@sentry.example/1',
    PWD: '/home/me/project',
    OLDPWD: '/home/me',
    USE_PASSWORD: 'yes',
    USE_PASS: 'true',
    GIT_AUTHOR_NAME: 'Jane Doe Smith',
    SSH_AUTH_SOCK: '/tmp/ssh-1/agent',
  };
  expect(secretsIn(env)).toEqual([
    'hunter2',
    'abcd',
    'pass1',
    'Bearer 0123456789',
    'https://abcdef@sentry.example/1',
  ]);
});

test.each([
  ['postgres://u:p@ss@word9@h/db', 'p@ss@word9'],
  ['http://user:100%@host', '100%'],
  ['mysql://root:p%40ss@127.0.0.1:3306/shop', 'p@ss'],
  ['redis://:0123@host', '0123'],
  ['http://u:word@host/?mail=a@b.example', 'word'],
  ['http://u:sl/ash@host', 'sl/ash'],
])('the password in %s is known, up to the last @', (value, password) => {
  expect(secretsIn({ ADDRESS: value })).toEqual([password]);
});
