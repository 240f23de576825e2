/**
 * The files of an embedded Postgres, before anything runs:
 *
 *   DATADIR/programs-VERSION/   Postgres itself, copied out of node_modules (where the user that runs it may not get)
 *                               and completed with the links that an npm package cannot carry
 *   DATADIR/pgdata/             the database cluster, with the password in it
 *   DATADIR/{users,port,postgres.log}
 *
 * Both folders are made under another name and renamed when whole: a crash in the middle leaves no half, and of two
 * processes that make the same one, the second throws its own away. Postgres refuses to be root, so as root the
 * folders belong to the user `nobody` and Postgres runs as it.
 */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmod,
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { isAlive, isErrno } from './embedded-postgres-postmaster.ts';

const run = promisify(execFile);

const POSTGRES_MAJOR = '18';
const PASSWORD_BYTES = 24;

/** The rules for letters are Postgres' own: the same on every machine, whatever its C library knows. */
const INITDB_ARGUMENTS = [
  '--username=postgres',
  '--auth=trust',
  '--data-checksums',
  '--encoding=UTF8',
  '--locale=C',
  '--locale-provider=builtin',
  '--builtin-locale=C.UTF-8',
];

/** What the outside world says when something is wrong, and what we make of it. */
const SENTENCES: [pattern: RegExp, sentence: (dataDir: string) => string][] = [
  [
    /ENOSPC|No space left on device/,
    (dataDir) => `The disk that holds ${dataDir} is full: Postgres needs about 200 MB there to begin with.`,
  ],
  [
    /EACCES|EPERM|EROFS|Permission denied|Operation not permitted|Read-only file system/,
    (dataDir) => `This user may not write to ${dataDir}: choose another data folder, or correct its owner.`,
  ],
  [/ENOTDIR|EEXIST/, (dataDir) => `${dataDir} cannot be a data folder, because a file is in its place.`],
  [/Address already in use/, () => 'The port for Postgres is taken: choose another one.'],
];

/** Why there is no Postgres, as one sentence for the person at the terminal. */
export class PostgresUnavailable extends Error {
  override readonly name = 'PostgresUnavailable';
}

/** A database cluster on disk, ready to be started. */
export interface Cluster {
  dataDir: string;
  pgdata: string;
  programs: string;
  usersPipe: string;
  portFile: string;
  logFile: string;
  password: string;
  runAs: RunAs;
}

/** Whose process Postgres is; empty: our own user's. */
export interface RunAs {
  uid?: number;
  gid?: number;
}

/** Makes what is missing. Throws PostgresUnavailable, or what the system said (with its `code`). */
export async function prepareCluster(folder: string, log: (line: string) => void): Promise<Cluster> {
  const runAs = await chooseUser(folder);
  await makeReachable(folder, runAs);
  const dataDir = await realpath(folder);
  const pgdata = join(dataDir, 'pgdata');
  const usersPipe = join(dataDir, 'users');
  await refuseForeignData(dataDir, pgdata);
  await removeHalves(dataDir);
  const programs = await installPrograms(dataDir, runAs, log);
  await makeOnce(pgdata, runAs, (half) => createCluster(half, programs, runAs, log));
  if (!(await exists(usersPipe))) await run('mkfifo', ['-m', '600', usersPipe]);
  const password = await readFile(join(pgdata, 'camp.password'), 'utf8');
  const [portFile, logFile] = [join(dataDir, 'port'), join(dataDir, 'postgres.log')];
  return { dataDir, pgdata, programs, usersPipe, portFile, logFile, password, runAs };
}

/** One sentence from an error message or the end of a log. */
export function explain(message: string, dataDir: string): string {
  const known = SENTENCES.find(([pattern]) => pattern.test(message));
  if (known) return known[1](dataDir);
  const lines = message.trim().split('\n');
  const line = lines.findLast((candidate) => /FATAL|PANIC|ERROR|error:/.test(candidate)) ?? lines.at(-1);
  return `Postgres cannot start on ${dataDir}: ${line}`;
}

async function chooseUser(folder: string): Promise<RunAs> {
  if (process.getuid?.() !== 0) return {};
  const owner = await stat(join(folder, 'pgdata')).catch(() => undefined);
  if (owner && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid };
  const [uid, gid] = await Promise.all([run('id', ['-u', 'nobody']), run('id', ['-g', 'nobody'])]);
  return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
}

/** Makes the folder; as root, makes sure that Postgres' user can get to it, before anything is written. */
async function makeReachable(folder: string, { uid }: RunAs): Promise<void> {
  const path = folder.split('/').map((_, depth, names) => names.slice(0, depth + 1).join('/') || '/');
  if (uid !== undefined) {
    for (const step of path) {
      const found = await stat(step).catch(() => undefined);
      if (found?.isDirectory() && !(found.mode & 0o001) && !(found.uid === uid && found.mode & 0o100))
        throw new PostgresUnavailable(
          `Postgres may not run as root, and the user that it runs as instead cannot get into ${step}: choose a data folder elsewhere, such as /var/lib/camp.`,
        );
    }
  }
  const first = await mkdir(folder, { recursive: true });
  if (uid === undefined || first === undefined) return;
  for (const made of path.slice(path.indexOf(first))) await chmod(made, 0o755);
}

async function refuseForeignData(dataDir: string, pgdata: string): Promise<void> {
  const majorOf = (folder: string) => readFile(join(folder, 'PG_VERSION'), 'utf8').catch(() => undefined);
  const [other, ours] = [await majorOf(dataDir), await majorOf(pgdata)];
  if (other)
    throw new PostgresUnavailable(
      `${dataDir} is the data folder of another Postgres (${other.trim()}): choose a folder of Camp's own, or set DATABASE_URL.`,
    );
  if (ours && ours.trim() !== POSTGRES_MAJOR)
    throw new PostgresUnavailable(
      `The data in ${dataDir} is of Postgres ${ours.trim()}, and Camp comes with Postgres ${POSTGRES_MAJOR}: choose another data folder, or set DATABASE_URL.`,
    );
}

/** Half-made folders whose maker was killed. */
async function removeHalves(dataDir: string): Promise<void> {
  for (const name of await readdir(dataDir)) {
    const maker = /\.half-(\d+)-/.exec(name)?.[1];
    if (maker && !isAlive(Number(maker))) await rm(join(dataDir, name), { recursive: true });
  }
}

async function installPrograms(dataDir: string, runAs: RunAs, log: (line: string) => void): Promise<string> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  const folder = locatePackage(name);
  const { version }: { version: string } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
  const programs = join(dataDir, `programs-${version}`);
  await makeOnce(programs, runAs, async (half) => {
    log(`Copying Postgres ${version} to ${dataDir} (once).`);
    await cp(join(folder, 'native'), half, { recursive: true });
    const links: { source: string; target: string }[] = JSON.parse(
      await readFile(join(half, 'pg-symlinks.json'), 'utf8'),
    );
    for (const { source, target } of links)
      await link(basename(source), join(half, relative('native', target)));
  });
  return programs;
}

function locatePackage(name: string): string {
  try {
    return join(dirname(fileURLToPath(import.meta.resolve(name))), '..');
  } catch (error) {
    throw new PostgresUnavailable(`The package ${name} is not here: run \`npm ci\`, or set DATABASE_URL.`, {
      cause: error,
    });
  }
}

/** An install script may have made the link already, with a target that the copy turned around. */
async function link(target: string, path: string): Promise<void> {
  await rm(path, { force: true });
  await symlink(target, path);
}

async function createCluster(
  half: string,
  programs: string,
  runAs: RunAs,
  log: (line: string) => void,
): Promise<void> {
  log('Making a database (once).');
  const how = { ...runAs, cwd: half, env: { LC_ALL: 'C', PATH: process.env.PATH } };
  await run(join(programs, 'bin', 'initdb'), [...INITDB_ARGUMENTS, '--pgdata', half], how);
  const password = randomBytes(PASSWORD_BYTES).toString('hex');
  await writeFile(join(half, 'camp.password'), password, { mode: 0o600 });
  await writeFile(join(half, 'pg_hba.conf'), 'host all all 127.0.0.1/32 scram-sha-256\n', { mode: 0o600 });
  const alone = run(join(programs, 'bin', 'postgres'), ['--single', '-D', half, 'postgres'], how);
  alone.child.stdin?.end(
    [
      `alter role postgres password '${password}';`,
      `create role camp login nosuperuser nobypassrls createrole createdb password '${password}';`,
      'create database camp owner camp;\n',
    ].join('\n'),
  );
  const { stderr } = await alone;
  if (/ERROR|FATAL|PANIC/.test(stderr)) throw new PostgresUnavailable(explain(stderr, dirname(half)));
}

/** Makes a folder under another name, gives it to Postgres' user, and renames it when it is whole. */
async function makeOnce(target: string, runAs: RunAs, make: (half: string) => Promise<void>): Promise<void> {
  if (await exists(target)) return;
  const half = await mkdtemp(`${target}.half-${process.pid}-`);
  try {
    await giveTo(runAs, half);
    await make(half);
    await giveTo(runAs, half);
    await rename(half, target);
  } catch (error) {
    await rm(half, { recursive: true });
    if (!(isErrno(error, 'ENOTEMPTY', 'EEXIST') && (await exists(target)))) throw error;
  }
}

async function giveTo({ uid, gid }: RunAs, path: string): Promise<void> {
  if (uid !== undefined) await run('chown', ['-R', `${uid}:${gid}`, path]);
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
