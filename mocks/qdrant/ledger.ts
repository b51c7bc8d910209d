/** What all stores of a server may hold together, and what they hold, in bytes. */
export type Ledger = { readonly maxBytes: number; usedBytes: number };

export const createLedger = (maxBytes: number): Ledger => ({ maxBytes, usedBytes: 0 });

/** 2 GiB. Vectors lie outside of the heap of V8, which has a limit of its own. */
export const usualMaxBytes = 2048 * 2 ** 20;
