/**
 * Who asks: the first thing that a request needs, and the last word on what it may.
 *
 * What is presented (a key, a session's cookie) names no workspace, so it is looked up by its hash among those of all
 * workspaces; what was found says the workspace, and everything after runs within that. A member who was disabled, a key
 * that was revoked, a password that was changed: the next request feels it, because nothing is remembered here.
 *
 * After: the web's `auth` asks for a scope, and audit.ts writes down what the principal did.
 */
import type { Database } from '../kernel/database.ts';
import { findKey, touchKey } from './queries-keys.ts';
import { findSession, touchSession } from './queries-sessions.ts';
import { type Role, SCOPES, type Scope, scopesOf } from './roles.ts';
import { hashToken } from './tokens.ts';

/** Whose doing an audit entry is; `operator` is somebody at the command line of the installation. */
export interface Actor {
  workspaceId: string;
  kind: 'key' | 'session' | 'operator';
  /** Of a key the part that may be shown, of a session its row. */
  id: string;
  /** Who is signed in; null when a key asks. */
  personId: string | null;
  /** All that it may do. */
  scopes: readonly Scope[];
}

export interface Principal extends Actor {
  kind: 'key' | 'session';
  role: Role;
}

/** A key's last use and a session's are written down this often at most. */
const TOUCH_SECONDS = 60;
/** A session that was not used for so long has ended. */
export const SESSION_IDLE_SECONDS = 24 * 3_600;

const KEY = /^camp_live_[0-9A-Za-z]{8}_[0-9A-Za-z]{32}$/;
const TOKEN = /^[\w-]{43}$/;

/** `camp_live_…`, as it stood behind `Bearer `. Null: no such key, or it is revoked or expired. */
export async function principalOfKey(database: Database, presented: string): Promise<Principal | null> {
  if (!KEY.test(presented)) return null;
  const hash = hashToken(presented);
  const key = await database.withSystem((tx) => findKey(tx, hash, TOUCH_SECONDS));
  if (!key) return null;
  const { workspaceId, id, role, scopes, isStale } = key;
  if (isStale) await database.withWorkspace(workspaceId, (tx) => touchKey(tx, key, TOUCH_SECONDS));
  return { workspaceId, kind: 'key', id, personId: null, role, scopes: scopesOf(workspaceId, role, scopes) };
}

/**
 * The cookie's value. Null: no such session, or it has ended, or its member is disabled. `isUse` false: nobody did anything,
 * and it is not used by this.
 */
export async function principalOfSession(
  database: Database,
  token: string,
  { isUse = true } = {},
): Promise<Principal | null> {
  if (!TOKEN.test(token)) return null;
  const hash = hashToken(token);
  const session = await database.withSystem((tx) =>
    findSession(tx, hash, { idleSeconds: SESSION_IDLE_SECONDS, touchSeconds: TOUCH_SECONDS }),
  );
  if (!session) return null;
  const { workspaceId, id, personId, role, isStale } = session;
  if (isUse && isStale)
    await database.withWorkspace(workspaceId, (tx) => touchSession(tx, session, TOUCH_SECONDS));
  return { workspaceId, kind: 'session', id, personId, role, scopes: scopesOf(workspaceId, role) };
}

/** Somebody at the command line of this installation, who may read the database anyway. */
export function operator(workspaceId: string): Actor {
  return { workspaceId, kind: 'operator', id: 'cli', personId: null, scopes: SCOPES };
}
