import { cpus, totalmem } from 'node:os';
import { readLabFile } from '../lab-file.ts';
import { labYaml } from '../lab-yaml.ts';
import type { LabFile } from '../model/lab-schema.ts';
import { labTitles } from '../model/labs.ts';
import { plans } from '../model/plans.ts';
import { tiers } from '../model/tiers.ts';
import { packageRoot } from '../package-root.ts';
import { version } from '../provenance.ts';
import { findK6 } from '../services/k6-binary.ts';
import { MissingPartError } from '../services/missing-part.ts';
import { asOfDay, staleAfterDays, staleFigures } from './stale-figures.ts';

/** `labs`: the built-in labs, or one of them as commented YAML. */
export function listLabs(name: string | undefined): string {
  if (name !== undefined) return labYaml(readLabFile(name) as LabFile);
  const rows = Object.entries(labTitles).map(([lab, about]) => `${lab.padEnd(16)} ${about}\n`);
  return `${rows.join('')}\nkneepoint labs NAME prints one as YAML to copy and change.\n`;
}

const limitText = (value: number | undefined) => (value === undefined ? '-' : String(value));

/** `tiers`: every figure with its source, date and grade. */
export function listTiers(json: boolean): string {
  if (json) return `${JSON.stringify({ openai: tiers, qdrant: plans }, null, 2)}\n`;
  const lines = ['OpenAI usage tiers for embedding models', ''];
  lines.push('tier               RPM      RPD    TPM         grade       as of       qualifies');
  for (const [name, { limits, origin, qualifies }] of Object.entries(tiers))
    lines.push(
      [
        name.padEnd(18),
        limitText(limits.rpm).padEnd(8),
        limitText(limits.rpd).padEnd(6),
        limitText(limits.tpm).padEnd(11),
        origin.grade.padEnd(11),
        origin.asOf.padEnd(11),
        qualifies,
      ].join(' '),
    );
  lines.push('', 'Qdrant plans (all figures are assumptions)', '');
  lines.push('plan               slots  points/s  grade    machine');
  for (const [name, { slots, pointsPerSecond, origin, machine }] of Object.entries(plans))
    lines.push(
      [
        name.padEnd(18),
        String(slots || '-').padEnd(6),
        String(pointsPerSecond || '-').padEnd(9),
        origin.grade.padEnd(8),
        machine,
      ].join(' '),
    );
  const sources = new Set(
    [...Object.values(tiers), ...Object.values(plans)].map(({ origin }) => origin.source),
  );
  lines.push('', 'Sources', ...[...sources].map((source) => `  ${source}`));
  return `${lines.join('\n')}\n`;
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
