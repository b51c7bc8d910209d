import { createRedactor } from './process/redact.ts';

/** Variables that hold secrets by their names. */
const telling = /KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL/i;
/** Shorter values are words such as "true", and would be blotted out everywhere. */
const shortest = 8;

const passwordIn = (value: string): string | undefined => {
  const [, password] = /^[a-z][a-z0-9+.-]*:\/\/[^/@:]*:([^@]+)@/i.exec(value) ?? [];
  return password;
};

/** What in an environment must not be seen in a log: values of variables with telling names, and passwords in addresses. */
export function secretsIn(env: NodeJS.ProcessEnv): string[] {
  const secrets = new Set<string>();
  for (const [name, value] of Object.entries(env)) {
    if (!value) continue;
    if (telling.test(name) && value.length >= shortest) secrets.add(value);
    const password = passwordIn(value);
    if (password) secrets.add(decodeURIComponent(password));
  }
  return [...secrets];
}

/** Text without those secrets, and without what looks like a key of OpenAI. */
export function withoutSecrets(text: string, secrets: string[]): string {
  const { push, end } = createRedactor(secrets);
  return push(text) + end();
}
