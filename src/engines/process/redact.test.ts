import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createRedactor, redacted } from './redact.ts';

const secret = 'p@ss/w0rd+ (x)';

const clean = (text: string, secrets = [secret]) => {
  const redactor = createRedactor(secrets);
  return redactor.push(text) + redactor.end();
};

test.each([
  ['as it is', secret],
  ['in a URL', encodeURIComponent(secret)],
  ['in a URL, in lower case', 'p%40ss%2fw0rd%2b%20%28x%29'],
  ['in a form', 'p%40ss%2Fw0rd%2B+%28x%29'],
  ['in base64', Buffer.from(secret).toString('base64')],
])('a secret is taken out %s', (_, text) => {
  expect(clean(`mysql://user:${text}@db:3306/x\n`)).toBe(`mysql://user:${redacted}@db:3306/x\n`);
});

test('a key that looks like one of OpenAI is taken out, the one of the mocks stays', () => {
  const text =
    'bad sk-proj-Ab_12345678901234567890 good sk-kneepoint-lab-1234567890 task-force-of-many-people\n';
  expect(clean(text)).toBe(
    `bad ${redacted} good sk-kneepoint-lab-1234567890 task-force-of-many-people\n`,
  );
});

test('a very short secret is taken out as a word, not out of every word', () => {
  expect(clean('a banana, pw=a, user:a@db\n', ['a'])).toBe(
    `${redacted} banana, pw=${redacted}, user:${redacted}@db\n`,
  );
});

test('no secrets, or empty ones, leave all as it is', () => {
  expect(clean('abc\n', [])).toBe('abc\n');
  expect(clean('abc\n', [''])).toBe('abc\n');
});

test('the rows of a secret of several lines are taken out', () => {
  const key = '-----BEGIN KEY-----\nMIIEowIBAAKCAQEA\n-----END KEY-----';
  expect(clean(`${key}\n`, [key])).not.toContain('MIIEow');
});

test('however text is cut, no secret passes and nothing else is lost', () => {
  const word = fc.constantFrom('plain ', 'line\n', 'hunter22-xyz', 'x'.repeat(90), 'hunter22 ');
  const cuts = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 });
  fc.assert(
    fc.property(fc.array(word, { minLength: 1, maxLength: 60 }), cuts, (words, sizes) => {
      const text = words.join('');
      const redactor = createRedactor(['hunter22-xyz'], 700);
      let shown = '';
      for (let at = 0, i = 0; at < text.length; i++) {
        const size = sizes[i % sizes.length]!;
        shown += redactor.push(text.slice(at, at + size));
        at += size;
      }
      shown += redactor.end();
      expect(shown).toBe(text.replaceAll('hunter22-xyz', redacted));
    }),
  );
});
