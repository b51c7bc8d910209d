import { type Answer, jsonAnswer } from '../endpoint.ts';
import { noSuchModel } from './errors.ts';

export type EmbeddingModel = {
  /** Size of its vectors where the request does not say [documented]. */
  native: number;
  /** Whether it takes `dimensions` [documented]. */
  shortens: boolean;
  /** Its name in answers [recorded]. */
  answersAs: string;
  /** What the list of models says [public listings]. */
  created: number;
  ownedBy: string;
};

export const models = new Map<string, EmbeddingModel>([
  [
    'text-embedding-3-small',
    {
      native: 1_536,
      shortens: true,
      answersAs: 'text-embedding-3-small',
      created: 1_705_948_997,
      ownedBy: 'system',
    },
  ],
  [
    'text-embedding-3-large',
    {
      native: 3_072,
      shortens: true,
      answersAs: 'text-embedding-3-large',
      created: 1_705_953_180,
      ownedBy: 'system',
    },
  ],
  [
    'text-embedding-ada-002',
    {
      native: 1_536,
      shortens: false,
      answersAs: 'text-embedding-ada-002-v2',
      created: 1_671_217_299,
      ownedBy: 'openai-internal',
    },
  ],
]);

const described = (id: string, { created, ownedBy }: EmbeddingModel) => ({
  id,
  object: 'model',
  created,
  owned_by: ownedBy,
});

/** `GET /v1/models`: the embedding models, as the mock has no others. */
export const modelList = (): Answer =>
  jsonAnswer(200, {
    object: 'list',
    data: [...models].map(([id, model]) => described(id, model)),
  });

/** `GET /v1/models/{id}`. */
export function modelOf(id: string): Answer {
  const model = models.get(id);
  return model ? jsonAnswer(200, described(id, model)) : noSuchModel(id);
}
