/** Wrong usage or a wrong lab, explained in one line: exit code 2. Anything else thrown is a bug, and told as one. */
export class UsageError extends Error {}
