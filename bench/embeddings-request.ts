/** The embeddings request that every benchmark sends: 8 inputs of 2,000 characters, 64 dimensions. Loaded by k6 and by Node. */
export const authorization = 'Bearer sk-kneepoint-lab-bench';

export const body = JSON.stringify({
  model: 'text-embedding-3-small',
  input: Array.from({ length: 8 }, (_, index) =>
    `${index} ${'capacity '.repeat(222)}`.slice(0, 2_000),
  ),
  dimensions: 64,
  encoding_format: 'base64',
});
