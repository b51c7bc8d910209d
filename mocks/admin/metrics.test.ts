import { afterAll, beforeAll, expect, test } from 'vitest';
import { mostProfiles } from './metrics.ts';
import { type TestMocks, testMocks } from './test-mocks.ts';

let on: TestMocks;
beforeAll(async () => {
  on = await testMocks({ openai: { latency: { fixed: 1 } } }, 100);
});
afterAll(() => on.mocks.close());

type Sample = { name: string; labels: Record<string, string>; value: number };

/** Reads the text format, strictly: a line that does not fit throws. */
function samplesIn(text: string): Sample[] {
  const label = String.raw`[a-z]\w*="(?:[^"\\\n]|\\.)*"`;
  const line = new RegExp(String.raw`^([a-z]\w*)(?:\{(${label}(?:,${label})*)\})? (\S+)$`);
  return text
    .split('\n')
    .filter((one) => one !== '' && !/^# (HELP|TYPE) /.test(one))
    .map((one) => {
      const parts = line.exec(one);
      if (!parts) throw new Error(`not a sample: ${one}`);
      const pairs = [...(parts[2] ?? '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)];
      const labels = Object.fromEntries(pairs.map(([, name, value]) => [name, value]));
      return { name: parts[1]!, labels, value: Number(parts[3]) };
    });
}

const scrape = async () => {
  const { status, text, headers } = await on.admin('GET', '/metrics');
  expect([status, headers.get('content-type')]).toEqual([
    200,
    expect.stringMatching(/^text\/plain/),
  ]);
  return samplesIn(text);
};
const sampled = (samples: Sample[], name: string, labels: Record<string, string> = {}) =>
  samples.find(
    (sample) =>
      sample.name === name &&
      Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
  )?.value;

test('count what was asked, and do not fall on a reset', async () => {
  await on.admin('PATCH', '/profiles/tier-1-m', { openai: { limits: { rpm: 2 } } });
  for (let left = 3; left > 0; left--) await on.embed('sk-kneepoint-tier-1-m');
  const samples = await scrape();
  const all = { service: 'openai', kind: 'embeddings' };
  expect(sampled(samples, 'kneepoint_requests_total', { ...all, status: '200' })).toBe(2);
  expect(sampled(samples, 'kneepoint_requests_total', { ...all, status: '429' })).toBe(1);
  expect(sampled(samples, 'kneepoint_rate_limited_total', { limit: 'rpm' })).toBe(1);
  const bucket = { profile: 'tier-1-m', model: 'text-embedding-3-small', limit: 'rpm' };
  expect(sampled(samples, 'kneepoint_bucket_limit', bucket)).toBe(2);
  expect(sampled(samples, 'kneepoint_bucket_used', bucket)).toBe(2);
  for (const which of ['base', 'added']) {
    const name = `kneepoint_${which}_latency_seconds`;
    expect(sampled(samples, `${name}_bucket`, { le: '+Inf' })).toBe(3);
    expect(sampled(samples, `${name}_count`)).toBe(3);
    expect(sampled(samples, `${name}_sum`)).toBeGreaterThan(0);
    const counts = samples.filter((sample) => sample.name === `${name}_bucket`);
    for (let at = 1; at < counts.length; at++)
      expect(counts[at]!.value).toBeGreaterThanOrEqual(counts[at - 1]!.value);
  }
  expect(sampled(samples, 'kneepoint_event_loop_delay_ms', { quantile: '0.99' })).toBeLessThan(
    5_000,
  );
  expect(sampled(samples, 'kneepoint_journal_entries')).toBe(3);
  expect(sampled(samples, 'kneepoint_memory_bytes', { of: 'rss' })).toBeGreaterThan(1e6);

  await on.admin('POST', '/reset');
  const after = await scrape();
  expect(sampled(after, 'kneepoint_requests_total', { ...all, status: '200' })).toBe(2);
  expect(sampled(after, 'kneepoint_bucket_limit', bucket)).toBeUndefined();
});

test('show a bounded number of profiles', async () => {
  for (let at = 0; at < mostProfiles + 20; at++) on.mocks.runs.qdrant(`free-${at}`);
  const samples = await scrape();
  const shown = new Set(samples.map(({ labels }) => labels.profile).filter(Boolean));
  expect(shown.size).toBe(mostProfiles);
  expect(sampled(samples, 'kneepoint_profiles')).toBe(mostProfiles + 20);
  expect(sampled(samples, 'kneepoint_upsert_queued', { profile: 'free-119' })).toBe(0);
});
