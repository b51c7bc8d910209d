/** What every port bears before it gives up on a connection. Named here so that no default of a library decides. */
export const serverLimits = {
  /** Milliseconds for all headers of a request; Node's own default. */
  headersTimeout: 60_000,
  /** Milliseconds for a whole request, body included. Fastify turns Node's guard against slow bodies off. */
  requestTimeout: 120_000,
  /** Milliseconds that an idle connection stays open: longer than clients' own, so that they never write into a reset. */
  keepAliveTimeout: 72_000,
  /** Bytes of all headers together; Node's own default. More is a 431. */
  maxHeaderSize: 16 * 1024,
  /** Milliseconds between two looks for connections that are over their time. */
  connectionsCheckingInterval: 10_000,
  /** Characters of a `:name` part of a path; more is no route. */
  maxParamLength: 1_000,
} as const;
