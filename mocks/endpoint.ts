/** What a mocked route is told of a request. */
export type MockRequest = {
  method: string;
  /** Path and query as they came. */
  url: string;
  /** Lower-case names. */
  headers: Record<string, string | string[] | undefined>;
  /** Values of the `:name` parts of the path. */
  params: Record<string, string>;
  query: Record<string, string | undefined>;
  /** The body as it came, empty where none did. */
  bytes: Uint8Array;
};

/** A fault of the connection: an HTTP server can do it, an interceptor in the client's process cannot. */
export type SocketFault = {
  kind: 'reset' | 'close' | 'reset-body' | 'short-body' | 'garbage' | 'stall' | 'dribble';
  /** Milliseconds of real time over which `dribble` spreads the body. */
  ms: number;
};

/** What requests are, as far as statistics tell them apart. */
export const requestKinds = ['embeddings', 'upsert', 'read', 'other'] as const;

/** What an answer was about, for journal and statistics; none of it is sent. */
export type About = {
  /** Name of the run whose key asked. */
  run: string;
  kind: (typeof requestKinds)[number];
  /** Which limit refused it. */
  refusedBy?: string;
  /** The fault that struck it. */
  fault?: string;
  /** Milliseconds of virtual time that a refused client was told to wait. */
  hintMs?: number;
  /** Tokens charged. */
  tokens?: number;
  /** Points written. */
  points?: number;
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
  fault?: SocketFault;
  about?: About;
};

/** A mocked route as a value, free of any HTTP library. */
export type Endpoint = {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** With `:name` for a parameter. */
  path: string;
  /** `nowMs` is the real arrival time of the request on a monotonic clock. Throws BadJson. */
  answer: (request: MockRequest, nowMs: number) => Answer;
};

/** A route that needs a promise for its answer: only an HTTP server has it. */
export type LaterEndpoint = Omit<Endpoint, 'answer'> & {
  answer: (request: MockRequest, nowMs: number) => Promise<Answer>;
};

/** The routes of one service on one port, with the service's own words for what went wrong before a route. */
export type Service = {
  endpoints: Endpoint[];
  later?: LaterEndpoint[];
  /** The client left at `nowMs` without this answer. */
  gone?: (answer: Answer, nowMs: number) => void;
  /** Answers what must not get any further, known route or not, before its body is read. */
  guard?: (request: Pick<MockRequest, 'method' | 'url' | 'headers'>) => Answer | undefined;
  bodyLimitBytes: number;
  /** No such route. */
  notFound: (method: string, path: string) => Answer;
  /** The body is not JSON. */
  badJson: (message: string) => Answer;
  /** The body is longer than `bodyLimitBytes`; NaN where its length was not declared. */
  tooLarge: (bytes: number) => Answer;
};

/** The body is not JSON: the service says so in its own words. */
export class BadJson extends Error {
  override name = 'BadJson';
}

const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });

/** The body as JSON, undefined where there is none. Throws BadJson. */
export function readJson({ bytes }: MockRequest): unknown {
  if (bytes.length === 0) return undefined;
  try {
    return JSON.parse(utf8.decode(bytes));
  } catch (error) {
    throw new BadJson((error as Error).message);
  }
}

/** The endpoint's answer, with the service's own words where the body is not JSON. */
export function answerTo(
  { badJson }: Pick<Service, 'badJson'>,
  endpoint: Endpoint,
  request: MockRequest,
  nowMs: number,
): Answer {
  try {
    return endpoint.answer(request, nowMs);
  } catch (error) {
    if (error instanceof BadJson) return badJson(error.message);
    throw error;
  }
}

/** An answer of Kneepoint's own services, which have no provider's envelope. */
export const jsonAnswer = (status: number, value: unknown): Answer => ({
  status,
  body: JSON.stringify(value),
});
