const codes = {
  bold: '1',
  dim: '2',
  red: '31',
  green: '32',
  yellow: '33',
  cyan: '36',
};

export type Style = keyof typeof codes;

/** Wraps text in a style, or returns it as it is. */
export type Paint = (style: Style, text: string) => string;

/** A painter for a terminal that shows ANSI colours, or for one that does not. */
export const painter = (colour: boolean): Paint =>
  colour ? (style, text) => `\u001b[${codes[style]}m${text}\u001b[0m` : (_style, text) => text;
