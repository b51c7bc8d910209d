/*
 * node setup.mjs COMMAND [ARGUMENTS…]
 *
 * Runs a command with everything it needs in place, so that a fresh clone needs one command and not
 * a list of them. Plain JavaScript without packages, because it runs before any are installed and
 * on whatever Node (20 or later) happens to be there; the command itself gets the pinned Node.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, join } from 'node:path';

const root = import.meta.dirname;
const modules = join(root, 'node_modules');
const bin = join(modules, '.bin');
const windows = process.platform === 'win32';
const pinnedNode = join(bin, windows ? 'node.cmd' : 'node');

const [command, ...args] = process.argv.slice(2);
process.exitCode = command ? await main(command, args) : usage();

function usage() {
  say('usage: node setup.mjs COMMAND [ARGUMENTS…]');
  return 2;
}

async function main(command, args) {
  const failed = (await installPackages()) || (await ensureK6());
  if (failed) return failed;
  // Windows calls it Path, and two spellings of it in one environment would be a coin toss.
  const pathName = Object.keys(process.env).find((name) => /^path$/i.test(name)) ?? 'PATH';
  const path = [bin, process.env[pathName]].filter(Boolean).join(delimiter);
  return run(command, args, { stdio: 'inherit', env: { ...process.env, [pathName]: path } });
}

/** The stamp is written after a whole installation, so an interrupted one is done again. */
async function installPackages() {
  const stampFile = join(modules, '.kneepoint-setup');
  const lock = createHash('sha256').update(readFileSync(join(root, 'package-lock.json')));
  const stamp = `${lock.digest('hex')} ${process.platform}-${process.arch}\n`;
  const whole = existsSync(join(modules, '.package-lock.json')) && existsSync(pinnedNode);
  if (whole && existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) return 0;

  say('installing packages (npm install)');
  // --include=dev: the tools are development dependencies, which NODE_ENV=production would omit.
  // --loglevel=error: npm warns of the Node it runs on, which is not the one the packages run on.
  // Not npm ci: it refuses a lock file without the binaries of platforms that a registry mirror lacks.
  // The lock file still decides every version, and --no-save leaves it as it is.
  const options = [
    'install',
    '--no-save',
    '--no-audit',
    '--no-fund',
    '--include=dev',
    '--loglevel=error',
  ];
  const code = await run('npm', options, { cwd: root, stdio: ['ignore', 2, 2] });
  if (code !== 0) {
    say(`npm install failed with exit code ${code}`);
    return code;
  }
  if (!existsSync(pinnedNode)) {
    say(
      'npm install left out the pinned Node: its install script must be allowed (ignore-scripts?)',
    );
    return 1;
  }
  writeFileSync(stampFile, stamp);
  return 0;
}

async function ensureK6() {
  if (process.env.KNEEPOINT_SKIP_K6 === '1') return 0;
  const script = join(root, 'src', 'services', 'ensure-k6.ts');
  return run(pinnedNode, [script], { stdio: ['ignore', 2, 2] });
}

/** Runs a program to its end and gives its exit code, staying alive until it has one. */
function run(program, programArgs, options) {
  return new Promise((done) => {
    const child = spawn(program, programArgs, { shell: windows, ...options });
    const forward = (signal) => {
      // Ctrl-C in a terminal reaches the child by itself, and a second one would mean "at once".
      if (signal === 'SIGINT' && onTerminal()) return;
      child.kill(signal);
    };
    const signals = ['SIGINT', 'SIGTERM'];
    const finish = (code) => {
      for (const signal of signals) process.off(signal, forward);
      done(code);
    };
    for (const signal of signals) process.on(signal, forward);
    child.on('error', (error) => {
      say(`cannot run ${program}: ${error.message}`);
      finish(127);
    });
    child.on('exit', (code, signal) => finish(code ?? 128 + constants.signals[signal]));
  });
}

function onTerminal() {
  return [process.stdin, process.stdout, process.stderr].some((stream) => stream.isTTY);
}

function say(line) {
  process.stderr.write(`kneepoint: ${line}\n`);
}
