import { wasmBase64 } from './scan-numbers.wasm.ts';

type Exports = { memory: { buffer: ArrayBuffer }; count: (length: number) => number };

/** @types/node leaves WebAssembly to the DOM's types, which are not wanted here. */
type WasmApi = {
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object) => { exports: Exports };
};
const { Instance, Module } = (globalThis as unknown as { WebAssembly: WasmApi }).WebAssembly;

const { memory, count } = new Instance(new Module(Buffer.from(wasmBase64, 'base64'))).exports;
const text = new Uint8Array(memory.buffer);

/** Behind the text the module writes a comma and one block of padding, and may read as far again. */
const longest = text.length - 256;

/**
 * How many numbers stand in bytes `from` to `to` (excluded), the inside of a list of JSON numbers; 0 where
 * it is none, is empty, has other white space than one space before a number, or is over 2 MiB long.
 */
export const countNumbers = (bytes: Uint8Array, from: number, to: number): number => {
  const length = to - from;
  if (length <= 0 || length > longest) return 0;
  text.set(bytes.subarray(from, to));
  return count(length);
};
