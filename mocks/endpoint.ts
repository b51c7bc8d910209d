/** What a mocked route is told of a request. `body` is the parsed JSON, undefined where none came. */
export type MockRequest = {
  /** Lower-case names. */
  headers: Record<string, string | string[] | undefined>;
  /** Values of the `:name` parts of the path. */
  params: Record<string, string>;
  query: Record<string, string | undefined>;
  body: unknown;
};

/**
 * What a mocked route answers. `body` is text as it goes over the wire: a route that serializes once
 * and caches is faster than an adapter that serializes each time.
 */
export type Answer = {
  status: number;
  headers?: Record<string, string>;
  body: string;
  /** Milliseconds of real time from the request's arrival to the answer, the mock's own work included. */
  delayMs?: number;
};

/** A mocked route as a value, free of any HTTP library. */
export type Endpoint = {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** With `:name` for a parameter. */
  path: string;
  /** `nowMs` is the real arrival time of the request on a monotonic clock. */
  answer: (request: MockRequest, nowMs: number) => Answer;
};

/** The routes of one service on one port, with the service's own words for what went wrong before a route. */
export type Service = {
  endpoints: Endpoint[];
  bodyLimitBytes: number;
  /** No such route. */
  notFound: (method: string, path: string) => Answer;
  /** The body is not JSON. */
  badJson: (message: string) => Answer;
  /** The body is longer than `bodyLimitBytes`. */
  tooLarge: (bytes: number) => Answer;
};

/** An answer of Kneepoint's own services, which have no provider's envelope. */
export const jsonAnswer = (status: number, value: unknown): Answer => ({
  status,
  body: JSON.stringify(value),
});
