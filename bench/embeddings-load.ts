/** k6: 20 virtual users send the same embeddings request for a few seconds, as fast as it is answered. */
import http from 'k6/http';
import { authorization, body } from './embeddings-request.ts';

const params = {
  headers: {
    'content-type': 'application/json',
    authorization,
  },
};

export const options = {
  vus: 20,
  duration: __ENV.DURATION ?? '4s',
  discardResponseBodies: true,
  thresholds: { http_req_failed: ['rate==0'], http_reqs: ['count>100'] },
  summaryTrendStats: ['med', 'p(95)', 'p(99)'],
};

export default function embed() {
  http.post(__ENV.TARGET!, body, params);
}

type Values = { values: Record<string, number> };

export function handleSummary({ metrics }: { metrics: Record<string, Values> }) {
  const { rate } = metrics.http_reqs!.values;
  const { med, 'p(99)': p99 } = metrics.http_req_duration!.values;
  return { stdout: `${JSON.stringify({ rate, med, p99 })}\n` };
}
