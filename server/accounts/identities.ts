/**
 * A person's ways in through providers: each is an account at an issuer, added by whoever is signed in (oidc.ts), shown to
 * them, and taken away again. The callers have asked for the password, and the second factor, again: a stolen session
 * alone neither leaves a way in behind nor takes one away. Another password takes all of them away.
 */
import { asSystem, type Database, type Tx } from '../kernel/database.ts';
import { audit } from './audit.ts';
import { personOf } from './people.ts';
import type { Principal } from './principal.ts';
import * as queries from './queries-oidc.ts';
import { endSessions, lockPerson } from './queries-people.ts';
import { isOfNow } from './queries-sessions.ts';
import { AccountRefused } from './refused.ts';
import { type RequestOrigin, replaceSession } from './sessions.ts';

/** One that they have already stays as it is. Throws AccountRefused. */
export async function addIdentity(
  database: Database,
  principal: Principal,
  identity: queries.Identity,
  { address }: RequestOrigin,
): Promise<void> {
  const personId = personOf(principal);
  const linked = {
    action: 'identity.linked',
    subject: `person/${personId}`,
    after: identity.issuer,
    address,
  };
  await database.withWorkspace(principal.workspaceId, async (tx) => {
    if (await asSystem(tx, () => add(tx, principal, personId, identity))) await audit(tx, principal, linked);
  });
}

/** False: they had it. */
async function add(
  tx: Tx,
  principal: Principal,
  personId: string,
  { issuer, subject }: queries.Identity,
): Promise<boolean> {
  await lockPerson(tx, personId);
  // Another password, chosen meanwhile, has taken all ways in away: this one must not come after.
  if (!(await isOfNow(tx, principal)))
    throw new AccountRefused('not-allowed', 'This session has ended: sign in again, and begin once more.');
  const owner = await queries.personOfIdentity(tx, { issuer, subject });
  if (owner !== undefined && owner !== personId)
    throw new AccountRefused('not-allowed', 'Somebody else here signs in with this account of the provider.');
  if (owner === undefined) await queries.insertIdentity(tx, { issuer, subject }, personId);
  return owner === undefined;
}

/** Throws AccountRefused. */
export function listIdentities(database: Database, principal: Principal): Promise<queries.KeptIdentity[]> {
  const personId = personOf(principal);
  return database.withSystem((tx) => queries.identitiesOf(tx, personId));
}

/**
 * Ends all sessions of the person, since one of them may have begun this way; gives the token of the one that takes the
 * place of this one. Throws AccountRefused.
 */
export async function removeIdentity(
  database: Database,
  principal: Principal,
  identity: queries.Identity,
  origin: RequestOrigin,
): Promise<string> {
  const personId = personOf(principal);
  const change = async (tx: Tx) => {
    const version = await endSessions(tx, personId);
    if (!(await queries.deleteIdentity(tx, identity, personId)))
      throw new AccountRefused('not-found', 'There is no such way to sign in: perhaps it was taken away.');
    return version;
  };
  const done = { change, action: 'identity.removed', before: identity.issuer };
  const { token } = await replaceSession(database, principal, origin, done);
  return token;
}
