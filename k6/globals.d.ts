/** What stock k6 has without an import, and @types/k6 does not declare without the DOM. */
declare const console: { error: (message: string) => void };
