/** What each of V8's complaints about a JSON text is in the words of the server's parser (serde_json). */
const words: [RegExp, string][] = [
  [/Expected ':'/, 'expected `:`'],
  [/Expected ',' or '}'/, 'expected `,` or `}`'],
  [/Expected ',' or ']'/, 'expected `,` or `]`'],
  [/property name/, 'key must be a string'],
  [/Bad control character/, 'control character (\\u0000-\\u001F) found while parsing a string'],
  [/escape/, 'invalid escape'],
  [/after JSON/, 'trailing characters'],
  [/Unterminated string/, 'EOF while parsing a string'],
  [/Unexpected end/, 'EOF while parsing a value'],
  [/Unexpected token|No number|is not valid JSON/, 'expected value'],
];

/** The server's words where V8's are known; the place only where V8 tells one. */
export const serdeText = (message: string): string => {
  const known = words.find(([pattern]) => pattern.test(message));
  if (known === undefined) return message;
  const place = /line \d+ column \d+/.exec(message)?.[0];
  return place === undefined ? known[1] : `${known[1]} at ${place}`;
};
