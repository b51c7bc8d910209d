/**
 * Something outside this repository that a run cannot do without was not found. It is its own class
 * so that the command line can tell "install this" (exit code 4) from a fault of its own, and it
 * carries the ways out because an error that only says "missing" leaves the reader to search.
 */
export class MissingPartError extends Error {
  override name = 'MissingPartError';
  readonly ways: string[];

  constructor(problem: string, ways: string[]) {
    super(
      oneLine(
        `${problem}. Any of these helps: ${ways.map((w, i) => `(${i + 1}) ${w}`).join('; ')}`,
      ),
    );
    this.ways = ways;
  }
}

function oneLine(text: string): string {
  return text.replace(/\s*[\r\n]+\s*/g, ' ');
}
