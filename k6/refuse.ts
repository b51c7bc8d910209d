/** Ends a script before it runs, with one line: k6 shows an error with its stack, and a text as it is. */
export function refuse(problem: string): never {
  throw problem;
}
