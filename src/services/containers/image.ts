/** Our own image: given by name, or built from the clone. */
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../package-root.ts';
import { MissingPartError } from '../missing-part.ts';
import { dockerClient } from './runtime.ts';
import { ensureImage, reasonIn, unlessAborted } from './start.ts';

export type ImageOptions = { say: (line: string) => void; signal?: AbortSignal | undefined };

const variable = 'KNEEPOINT_IMAGE';

/** What the Dockerfile copies, and itself. */
const sources = [
  'Dockerfile',
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  'tsconfig.build.json',
  ...['src', 'mocks', 'k6', 'schema'],
];

/**
 * The name of an image that has Kneepoint's commands: KNEEPOINT_IMAGE, or one built from the clone and
 * kept under the hash of its sources. Rejects with MissingPartError where there is neither.
 */
export async function ownImage({ say, signal }: ImageOptions): Promise<string> {
  const given = process.env[variable];
  if (given) {
    await ensureImage({ image: given, imageVariable: variable, say, signal });
    return given;
  }
  if (!existsSync(join(packageRoot, 'Dockerfile')))
    throw new MissingPartError('an installed package has no sources to build an image from', [
      `name an image of Kneepoint: ${variable}`,
      'run it from a clone',
    ]);
  return build({ say, signal });
}

async function build({ say, signal }: ImageOptions): Promise<string> {
  const client = await dockerClient();
  const { GenericContainer, ImageName } = await import('testcontainers');
  const dockerfile = readFileSync(join(packageRoot, 'Dockerfile'), 'utf8');
  const base = process.env.NODE_IMAGE || /^ARG NODE_IMAGE=(.+)$/m.exec(dockerfile)![1]!;
  const image = `kneepoint-local:${sourceHash(base)}`;
  if (await client.image.exists(ImageName.fromString(image))) return image;

  await ensureImage({ image: base, imageVariable: 'NODE_IMAGE', say, signal });
  signal?.throwIfAborted();
  say(`building the image ${image} from the Dockerfile; this takes about a minute, once`);
  // A folder of its own: testcontainers lists everything that lies in the context, packages and results too.
  const context = mkdtempSync(join(tmpdir(), 'kneepoint-image-'));
  try {
    for (const name of sources)
      cpSync(join(packageRoot, name), join(context, name), {
        recursive: true,
        filter: (path) => !path.endsWith('.test.ts'),
      });
    const build = GenericContainer.fromDockerfile(context)
      // Its cache is kept small by Docker; the older builder leaves each stage behind as an image.
      .withBuildkit()
      .withBuildArgs({ NODE_IMAGE: base })
      .build(image, { deleteOnExit: false });
    await unlessAborted(build, signal);
    return image;
  } catch (error) {
    signal?.throwIfAborted();
    throw new MissingPartError(`the image cannot be built (${reasonIn(error)})`, [
      'see why: `docker build .`',
      `name an image of Kneepoint: ${variable}`,
    ]);
  } finally {
    rmSync(context, { recursive: true, force: true });
  }
}

/** Of all that goes into the image: the same sources are built once, others are never mistaken for them. */
function sourceHash(base: string): string {
  const hash = createHash('sha256').update(base);
  const add = (path: string): void => {
    hash.update(`\0${path}\0`).update(readFileSync(join(packageRoot, path)));
  };
  for (const source of sources) {
    const path = join(packageRoot, source);
    if (!source.includes('.') && source !== 'Dockerfile') {
      const names = readdirSync(path, { recursive: true, withFileTypes: true });
      names
        .filter((entry) => entry.isFile() && !entry.name.endsWith('.test.ts'))
        .map((entry) => join(entry.parentPath, entry.name).slice(packageRoot.length + 1))
        .sort()
        .forEach(add);
    } else add(source);
  }
  return hash.digest('hex').slice(0, 12);
}
