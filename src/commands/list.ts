import { cpus, totalmem } from 'node:os';
import { readLabFile } from '../lab-file.ts';
import { labYaml } from '../lab-yaml.ts';
import type { LabFile } from '../model/lab-schema.ts';
import { labTitles } from '../model/labs.ts';
import { plans } from '../model/plans.ts';
import { embeddingPrice, planPrices, tierPrices } from '../model/prices.ts';
import { type Origin, tiers } from '../model/tiers.ts';
import { packageRoot } from '../package-root.ts';
import { version } from '../provenance.ts';
import { inColumns } from '../report/columns.ts';
import { grouped } from '../report/figures.ts';
import { findK6 } from '../services/k6-binary.ts';
import { MissingPartError } from '../services/missing-part.ts';
import { asOfDay, pricedModels, staleAfterDays, staleFigures } from './stale-figures.ts';

/** `labs`: the built-in labs, or one of them as commented YAML. */
export function listLabs(name: string | undefined): string {
  if (name !== undefined) return labYaml(readLabFile(name) as LabFile);
  const rows = Object.entries(labTitles).map(([lab, about]) => `${lab.padEnd(16)} ${about}\n`);
  return `${rows.join('')}\nkneepoint labs NAME prints one as YAML to copy and change.\n`;
}

const figure = (value: number | undefined) => (value ? grouped(value) : '-');
/** Average hours of a month: a twelfth of 365 days. */
const monthHours = 730;

/** `tiers`: every figure with its source, date and grade. */
export function listTiers(json: boolean): string {
  const models = Object.fromEntries(pricedModels.map((model) => [model, embeddingPrice(model)!]));
  if (json) {
    const prices = { openai: tierPrices, models, qdrant: planPrices };
    return `${JSON.stringify({ openai: tiers, qdrant: plans, prices }, null, 2)}\n`;
  }
  const sources: string[] = [];
  const originOf = ({ grade, asOf, source }: Origin): string[] => {
    if (!sources.includes(source)) sources.push(source);
    return [grade, asOf, `[${sources.indexOf(source) + 1}]`];
  };
  const origin = ['grade', 'as of', 'source'];
  const table = (title: string, head: string[], rows: string[][]): string =>
    [title, '', ...inColumns([[...head, ...origin], ...rows])].join('\n');
  const blocks = [
    table(
      'OpenAI usage tiers: limits of embedding models, per minute (RPM, TPM) and per day (RPD)',
      ['tier', 'RPM', 'RPD', 'TPM', 'qualifies'],
      Object.entries(tiers).map(([name, { limits, qualifies, origin: from }]) => [
        name,
        ...[limits.rpm, limits.rpd, limits.tpm].map(figure),
        qualifies,
        ...originOf(from),
      ]),
    ),
    table(
      'What an OpenAI usage tier asks for, in US dollars',
      ['tier', 'paid before', 'days since', 'most a month'],
      Object.entries(tierPrices).map(([name, price]) => [
        name,
        grouped(price.paidUsd),
        figure(price.waitingDays),
        grouped(price.monthlyUsd),
        ...originOf(price.origin),
      ]),
    ),
    table(
      'What OpenAI charges for a million tokens, in US dollars',
      ['model', 'price'],
      Object.entries(models).map(([name, price]) => [
        name,
        price.usdPerMillionTokens.toFixed(2),
        ...originOf(price.origin),
      ]),
    ),
    table(
      'What a Qdrant plan bears: upserts at a time, points a second, points of 1,536 dimensions in memory',
      ['plan', 'slots', 'points/s', 'in memory', 'machine'],
      Object.entries(plans).map(([name, plan]) => [
        name,
        ...[plan.slots, plan.pointsPerSecond, plan.memoryPoints].map(figure),
        plan.machine,
        ...originOf(plan.origin),
      ]),
    ),
    table(
      `What a Qdrant plan costs, in US dollars; a month has ${monthHours} hours`,
      ['plan', 'an hour', 'a month'],
      Object.entries(planPrices).map(([name, { usdPerHour, origin: from }]) => [
        name,
        String(usdPerHour),
        grouped(usdPerHour * monthHours),
        ...originOf(from),
      ]),
    ),
  ];
  const numbered = sources.map((source, at) => `  [${at + 1}] ${source}`);
  return `${[...blocks, ['Sources', ...numbered].join('\n')].join('\n\n')}\n`;
}

/**
 * `tiers --stale`: what was read over 180 days ago and may have changed. Exit code 1 where there is any, so
 * that a scheduled job can ask.
 */
export function listStale(asOf: string, json: boolean): { text: string; exitCode: number } {
  const stale = staleFigures(asOfDay(asOf));
  const exitCode = stale.length > 0 ? 1 : 0;
  if (json) return { text: `${JSON.stringify(stale, null, 2)}\n`, exitCode };
  if (exitCode === 0)
    return { text: `No figure is older than ${staleAfterDays} days on ${asOf}.\n`, exitCode };
  const lines = [
    `Older than ${staleAfterDays} days on ${asOf}; where only the year is known, from its first day`,
    '',
    ...stale.map(
      ({ name, asOf: read, days }) =>
        `${name.padEnd(36)} ${read.padEnd(11)} ${String(days).padStart(5)} days`,
    ),
    '',
    'Sources',
    ...[...new Set(stale.map(({ source }) => source))].map((source) => `  ${source}`),
  ];
  return { text: `${lines.join('\n')}\n`, exitCode };
}

/** `doctor`: what a run needs and what is here. Exit code 4 where a needed part is missing. */
export async function doctor(): Promise<{ text: string; exitCode: number }> {
  const lines = [`kneepoint ${version}, Node ${process.version}`];
  lines.push(`${cpus().length} cores, ${(totalmem() / 2 ** 30).toFixed(1)} GiB of memory`);
  const root = packageRoot;
  let exitCode = 0;
  try {
    const k6 = await findK6({
      env: process.env,
      root,
      say: (line) => process.stderr.write(`kneepoint: ${line}\n`),
    });
    lines.push(`k6 ${k6.version} (${k6.origin}: ${k6.path})`);
  } catch (error) {
    if (!(error instanceof MissingPartError)) throw error;
    lines.push(error.message);
    exitCode = 4;
  }
  return { text: `${lines.join('\n')}\n`, exitCode };
}
