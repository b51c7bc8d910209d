/** Where the services are: `kneepoint mocks` on its usual ports, unless told otherwise. */
export const urls = {
  openai: __ENV.KNEEPOINT_OPENAI_URL ?? 'http://127.0.0.1:4610/v1',
  qdrant: __ENV.KNEEPOINT_QDRANT_URL ?? 'http://127.0.0.1:4633',
  records: __ENV.KNEEPOINT_RECORDS_URL ?? 'http://127.0.0.1:4611',
};
