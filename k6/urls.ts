/** Where the services are: `kneepoint mocks` on its usual ports, unless told otherwise. */
export const urls = {
  openai: __ENV.KNEEPOINT_OPENAI_URL ?? 'http://127.0.0.1:4610/v1',
  qdrant: __ENV.KNEEPOINT_QDRANT_URL ?? 'http://127.0.0.1:4633',
  records: __ENV.KNEEPOINT_RECORDS_URL ?? 'http://127.0.0.1:4611',
};

const own = __ENV.KNEEPOINT_QDRANT_COLLECTION;

/** Where a cell's points go: a collection of its own on a real Qdrant, a key of its own on the mock. */
export const qdrantOf = (profile: string): { collection: string; key: string } =>
  own
    ? { collection: `${own}-${profile}`, key: __ENV.KNEEPOINT_QDRANT_API_KEY ?? '' }
    : { collection: 'records', key: `kneepoint-${profile}` };

/** Whether what was stored has to be removed again, because it is not in memory of ours. */
export const qdrantIsReal = own !== undefined;
