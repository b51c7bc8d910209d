import { createRedactor } from './process/redact.ts';

/** Variables that hold passwords by their names, which are often short; PWD and OLDPWD are folders. */
const passwords = /(?<!BY|COM)PASS|(?<!^|^OLD)PWD$/i;
/** Variables that hold other secrets by their names. */
const others = /KEY|TOKEN|SECRET|CREDENTIAL|AUTH(?!OR(?!IZ)|_SOCK)|DSN/i;
/** What a switch may be set to. */
const switches = /^(?:true|false|none|null)$/i;
/** Shorter values are words such as "yes", and would be blotted out everywhere. */
const shortestPassword = 4;
const shortestOther = 8;

/** Up to the last `@`: a password that is not encoded may have one itself. */
const passwordIn = (value: string): string | undefined => {
  const user = /^[a-z][a-z0-9+.-]*:\/\/[^/@:]*:/i.exec(value)?.[0];
  if (user === undefined) return undefined;
  const rest = value.slice(user.length);
  // Behind the host there may be an @ as well; within a password a / is rarer.
  const [, password] = /^([^/?#]+)@/.exec(rest) ?? /^(.+)@/.exec(rest) ?? [];
  return password;
};

/** Without its encoding, where it has a valid one. */
const decoded = (password: string): string => {
  try {
    return decodeURIComponent(password);
  } catch {
    return password;
  }
};

const isTelling = (name: string, value: string): boolean =>
  !switches.test(value) &&
  ((passwords.test(name) && value.length >= shortestPassword) ||
    (others.test(name) && value.length >= shortestOther));

/** What in an environment must not be seen in a log: values of variables with telling names, and passwords in addresses. */
export function secretsIn(env: NodeJS.ProcessEnv): string[] {
  const secrets = new Set<string>();
  for (const [name, value] of Object.entries(env)) {
    if (!value) continue;
    if (isTelling(name, value)) secrets.add(value);
    const password = passwordIn(value);
    if (password) secrets.add(decoded(password));
  }
  return [...secrets];
}

/** Text without those secrets, and without what looks like a key of OpenAI. */
export function withoutSecrets(text: string, secrets: string[]): string {
  const { push, end } = createRedactor(secrets);
  return push(text) + end();
}
