import { type Answer, answerTo, type MockRequest, type Service } from './endpoint.ts';

/** The services whose requests are watched. */
export type ServiceName = 'openai' | 'qdrant';

/** One request and what became of it. */
export type Sighting = {
  service: ServiceName;
  method: string;
  /** With its query. */
  path: string;
  headers: MockRequest['headers'];
  bytes: Uint8Array;
  answer: Answer;
  /** Arrival on the monotonic clock, in milliseconds. */
  nowMs: number;
  /** Milliseconds of real time that the mock itself worked on it. */
  ownMs: number;
};

export type Sink = (sighting: Sighting) => void;

/** Told of an answer that its client did not wait for, and when it left. */
export type Gone = (answer: Answer, nowMs: number) => void;

const noHeaders = {};
const noBytes = new Uint8Array();

/** The service, with every request told to `sink` once it is decided, before its delay. Routes that no service has are told too: a wrong base URL shows. */
export function observed(service: Service, name: ServiceName, sink: Sink, gone: Gone): Service {
  const bare = (method: string, path: string, answer: Answer): Answer => {
    sink({
      service: name,
      method,
      path,
      headers: noHeaders,
      bytes: noBytes,
      answer,
      nowMs: performance.now(),
      ownMs: 0,
    });
    return answer;
  };
  return {
    ...service,
    gone,
    endpoints: service.endpoints.map((endpoint) => ({
      ...endpoint,
      answer(request, nowMs) {
        const beganMs = performance.now();
        const answer = answerTo(service, endpoint, request, nowMs);
        const ownMs = performance.now() - beganMs;
        const { method, url, headers, bytes } = request;
        sink({ service: name, method, path: url, headers, bytes, answer, nowMs, ownMs });
        return answer;
      },
    })),
    notFound: (method, path) => bare(method, path, service.notFound(method, path)),
  };
}
