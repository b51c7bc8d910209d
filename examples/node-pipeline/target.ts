/** The collection in Qdrant that the vectors go to. */
import { createHash } from 'node:crypto';
import { QdrantClient } from '@qdrant/js-client-rest';
import { type Settings, SettingsError } from './settings.ts';

/** A piece of a record. `at` is the record's place in its claim, `number` the chunk's in its record. */
export type Chunk = { recordId: number; title: string; at: number; number: number; text: string };

/** The same for the same chunk, so that storing it again replaces it: a UUID of version 8, by hash. */
export function pointId({ recordId, number }: Pick<Chunk, 'recordId' | 'number'>): string {
  const hex = createHash('sha256').update(`node-pipeline/${recordId}/${number}`).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/** Qdrant's own client. It warns of every key that goes over plain HTTP, and the mocks have nothing else. */
export function openQdrant({ qdrantUrl, qdrantApiKey, qdrantTimeoutMs }: Settings): QdrantClient {
  const { warn } = console;
  console.warn = () => {};
  try {
    return new QdrantClient({
      url: qdrantUrl,
      ...(qdrantApiKey !== undefined && { apiKey: qdrantApiKey }),
      timeout: qdrantTimeoutMs,
      // It would ask for the server's version in every worker.
      checkCompatibility: false,
    });
  } finally {
    console.warn = warn;
  }
}

/** Creates the collection where it is missing; throws a SettingsError where it can't serve. */
export async function ensureCollection(settings: Settings): Promise<void> {
  const { qdrantCollection: name, embeddingDimensions: size } = settings;
  try {
    const client = openQdrant(settings);
    const { exists } = await client.collectionExists(name);
    if (!exists)
      await client
        .createCollection(name, { vectors: { size, distance: 'Cosine' } })
        .catch((error: { status?: number }) => {
          // Another pipeline that began at the same time may have been faster.
          if (error.status !== 409) throw error;
        });
    const { vectors } = (await client.getCollection(name)).config.params;
    if (vectors?.size !== size)
      throw new SettingsError(
        `QDRANT_COLLECTION: ${name} exists with other vectors than EMBEDDING_DIMENSIONS=${size}; name another or delete it`,
      );
  } catch (error) {
    if (error instanceof SettingsError) throw error;
    const { message, cause } = error as Error & { cause?: Error };
    const reason = cause?.message || message.split('\n')[0];
    throw new SettingsError(`QDRANT_URL, QDRANT_API_KEY: ${reason}`);
  }
}
