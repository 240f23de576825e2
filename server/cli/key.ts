/** `camp key …`: API keys of the workspace. Whoever may run this may read the database anyway, so any role may be given. */
import type { Command } from 'commander';
import { createKey, listKeys, revokeKey } from '../accounts/keys.ts';
import { operator } from '../accounts/principal.ts';
import type { KeyRow } from '../accounts/queries-keys.ts';
import { ROLES, SCOPES } from '../accounts/roles.ts';
import { ensureWorkspace } from '../accounts/workspaces.ts';
import { DEFAULT_WORKSPACE_ID } from '../kernel/ids.ts';
import { collect, readChoice, readDuration } from './arguments.ts';
import { type Cli, run } from './cli.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { withDatabase } from './open-database.ts';
import { table } from './output.ts';

export function keyCommand(program: Command): void {
  const key = program.command('key').description('keys for the API');
  key
    .command('create')
    .description('make a key, and print it this once')
    .requiredOption('--role <role>', `what it may do: ${ROLES.join(', ')}`)
    .option('--name <name>', 'what it is for', 'camp key create')
    .option('--scope <scope>', "of the role's scopes only this one; may be repeated", collect)
    .option('--expires-in <time>', 'until when it is good: 12h, 30d; without it until it is revoked')
    .action(run(create));
  key.command('list').description('all of them, without what opens anything').action(run(list));
  key.command('revoke <id>').description('from the next request on it opens nothing').action(run(revoke));
}

interface CreateFlags {
  role: string;
  name: string;
  scope?: string[];
  expiresIn?: string;
}

async function create(cli: Cli, flags: CreateFlags): Promise<ExitCode> {
  const role = readChoice(flags.role, '--role', ROLES);
  const scopes = flags.scope?.map((scope) => readChoice(scope, '--scope', SCOPES));
  const expiresAt = flags.expiresIn === undefined ? undefined : after(flags.expiresIn);
  const wish = { name: flags.name, role, scopes, expiresAt };
  const { id, key } = await withDatabase(cli, async (database) => {
    if (cli.workspaceId === DEFAULT_WORKSPACE_ID) await ensureWorkspace(database, cli.workspaceId, 'Default');
    return createKey(database, operator(cli.workspaceId), wish, {});
  });
  cli.out.say(
    `${key}\n\nThis is the only time that it is shown. Send it as \`Authorization: Bearer ${key}\`.`,
  );
  cli.out.result({ id, key, role, scopes: scopes ?? null, expires_at: expiresAt ?? null });
  return EXIT.ok;
}

function after(duration: string): Date {
  return new Date(Date.now() + readDuration(duration, '--expires-in') * 1_000);
}

async function list(cli: Cli): Promise<ExitCode> {
  const keys = await withDatabase(cli, (database) => listKeys(database, cli.workspaceId));
  if (keys.length === 0) cli.out.say('There is no key yet: make one with `camp key create --role owner`.');
  else cli.out.say(table(keys.map(describe), ''));
  cli.out.result({ keys: keys.map(jsonOf) });
  return EXIT.ok;
}

function describe(key: KeyRow): string[] {
  const { id, name, role, scopes, lastUsedAt } = key;
  const used = lastUsedAt ? `used ${lastUsedAt.toISOString().slice(0, 16)}Z` : 'never used';
  return [`camp_live_${id}_…`, name, role, stateOf(key), used, scopes?.join(' ') ?? ''];
}

function stateOf({ revokedAt, expiresAt }: KeyRow): string {
  if (revokedAt) return 'revoked';
  if (!expiresAt) return 'good';
  const day = expiresAt.toISOString().slice(0, 10);
  return expiresAt.getTime() > Date.now() ? `until ${day}` : `expired ${day}`;
}

function jsonOf(key: KeyRow): Record<string, unknown> {
  return {
    id: key.id,
    name: key.name,
    role: key.role,
    scopes: key.scopes,
    created_at: key.createdAt,
    expires_at: key.expiresAt,
    last_used_at: key.lastUsedAt,
    revoked_at: key.revokedAt,
  };
}

async function revoke(cli: Cli, text: string): Promise<ExitCode> {
  // The whole key is taken too: whoever has found one somewhere has that.
  const id = /^camp_live_([^_]+)_/.exec(text)?.[1] ?? text;
  await withDatabase(cli, (database) => revokeKey(database, operator(cli.workspaceId), id, {}));
  cli.out.say(`The key ${id} opens nothing any more.`);
  cli.out.result({ id, revoked: true });
  return EXIT.ok;
}
