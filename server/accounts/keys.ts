/**
 * API keys: `camp_live_` and 8 letters that may be shown, `_` and 32 that may not (190 bits). The whole is shown once and
 * kept as its SHA-256; the prefix lets a scanner of secrets know it anywhere.
 *
 * A key has a role, and perhaps only some of its scopes; nobody makes a key that may do more than they.
 */
import type { Database } from '../kernel/database.ts';
import { audit } from './audit.ts';
import { readName } from './people.ts';
import type { Actor } from './principal.ts';
import * as queries from './queries-keys.ts';
import { AccountRefused } from './refused.ts';
import { type Role, SCOPES_OF_ROLE, type Scope, scopesOf } from './roles.ts';
import type { RequestOrigin } from './sessions.ts';
import { hashToken, randomBase62 } from './tokens.ts';

const ID_LETTERS = 8;
const SECRET_LETTERS = 32;

export interface KeyWish {
  name: string;
  role: Role;
  /** Of the role's scopes only these. */
  scopes?: readonly Scope[] | undefined;
  expiresAt?: Date | undefined;
}

export interface CreatedKey {
  id: string;
  /** Shown once. */
  key: string;
}

/** Throws AccountRefused. */
export async function createKey(
  database: Database,
  actor: Actor,
  wish: KeyWish,
  { address }: RequestOrigin,
): Promise<CreatedKey> {
  const { role, scopes = null, expiresAt = null } = wish;
  const name = readName(wish.name);
  requireGrantable(actor, role, scopes);
  if (expiresAt && expiresAt.getTime() <= Date.now())
    throw new AccountRefused('key-invalid', 'The key would have expired already: choose a later time.');
  const { workspaceId, personId: createdBy } = actor;
  const id = randomBase62(ID_LETTERS);
  const key = `camp_live_${id}_${randomBase62(SECRET_LETTERS)}`;
  await database.withWorkspace(workspaceId, async (tx) => {
    const row = { workspaceId, id, name, role, scopes, createdBy, expiresAt };
    await queries.insertKey(tx, { ...row, hash: hashToken(key) });
    const after = { name, role, scopes, expiresAt };
    await audit(tx, actor, { action: 'key.created', subject: `key/${id}`, after, address });
  });
  return { id, key };
}

function requireGrantable(actor: Actor, role: Role, scopes: readonly Scope[] | null): void {
  const foreign = scopes?.find((scope) => !SCOPES_OF_ROLE[role].includes(scope));
  if (foreign !== undefined)
    throw new AccountRefused('key-invalid', `The role ${role} has no scope ${foreign}: take another role.`);
  const beyond = scopesOf(actor.workspaceId, role, scopes).find((scope) => !actor.scopes.includes(scope));
  if (beyond !== undefined)
    throw new AccountRefused('not-allowed', `The key would have the scope ${beyond}, which you have not.`);
}

/** With those that were revoked. */
export function listKeys(database: Database, workspaceId: string): Promise<queries.KeyRow[]> {
  return database.readWorkspace(workspaceId, (tx) => queries.allKeys(tx, workspaceId));
}

/** From the next request on it opens nothing. Throws AccountRefused. */
export function revokeKey(
  database: Database,
  actor: Actor,
  id: string,
  { address }: RequestOrigin,
): Promise<void> {
  const { workspaceId } = actor;
  return database.withWorkspace(workspaceId, async (tx) => {
    if (!(await queries.revokeKey(tx, { workspaceId, id })))
      throw new AccountRefused('not-found', `There is no key ${id} that is in use.`);
    await audit(tx, actor, { action: 'key.revoked', subject: `key/${id}`, address });
  });
}
