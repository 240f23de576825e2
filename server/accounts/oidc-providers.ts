/**
 * OpenID providers that people may sign in with. They are the installation's and not a workspace's: whoever says who
 * somebody is must be trusted by all workspaces that the person is in, so it is the operator who names them.
 */
import { asSystem, type Database, type Tx } from '../kernel/database.ts';
import type { SealedPlace, Secrets } from '../kernel/secrets.ts';
import { type AuditedAction, audit } from './audit.ts';
import type { Actor } from './principal.ts';
import * as queries from './queries-oidc.ts';
import { AccountRefused } from './refused.ts';
import type { RequestOrigin } from './sessions.ts';

export interface NewProvider {
  /** A word, which stands in URLs. */
  name: string;
  issuer: string;
  clientId: string;
  clientSecret: string;
}

/** Who did it over HTTP: the operator's workspace notes it. */
export interface Doer extends RequestOrigin {
  actor: Actor;
}

/** A new one, or another client of one that is there. Throws AccountRefused. */
export async function addProvider(
  database: Database,
  secrets: Secrets,
  provider: NewProvider,
  by?: Doer,
): Promise<void> {
  const { name, issuer, clientId, clientSecret } = provider;
  if (!/^[a-z][a-z0-9-]{0,30}$/.test(name))
    throw new AccountRefused(
      'provider-invalid',
      `"${name}" cannot be a provider's name: write a word, such as google.`,
    );
  if (!isTrustworthy(issuer))
    throw new AccountRefused(
      'provider-invalid',
      `"${issuer}" cannot be an issuer: write its https:// address.`,
    );
  if (clientId === '' || clientSecret === '')
    throw new AccountRefused('provider-invalid', 'A provider needs a client id and a client secret.');
  const sealed = secrets.seal(placeOf(name), clientSecret);
  const add = (tx: Tx) => queries.upsertProvider(tx, { name, issuer, clientId, clientSecret: sealed });
  const done = { action: 'provider.added', subject: `provider/${name}`, after: { issuer, clientId } };
  await change(database, by, done, add);
}

/** Noted where somebody has done it over HTTP, in the same transaction. */
async function change(
  database: Database,
  by: Doer | undefined,
  done: AuditedAction,
  work: (tx: Tx) => Promise<unknown>,
): Promise<void> {
  if (!by) {
    await database.withSystem(work);
    return;
  }
  const { actor, address } = by;
  await database.withWorkspace(actor.workspaceId, async (tx) => {
    await asSystem(tx, work);
    await audit(tx, actor, { ...done, address });
  });
}

/** Over TLS, or on this machine, to try it out. */
function isTrustworthy(issuer: string): boolean {
  const url = URL.parse(issuer);
  return url !== null && !url.search && !url.hash && (url.protocol === 'https:' || isLoopback(url));
}

export function isLoopback({ protocol, hostname }: URL): boolean {
  return protocol === 'http:' && /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname);
}

/** Throws AccountRefused. */
export async function removeProvider(database: Database, name: string, by?: Doer): Promise<void> {
  await change(database, by, { action: 'provider.removed', subject: `provider/${name}` }, async (tx) => {
    if (!(await queries.deleteProvider(tx, name))) throw noProvider(name);
  });
}

/** Names and issuers, for the page to sign in on. */
export async function listProviders(
  database: Database,
): Promise<Pick<queries.ProviderRow, 'name' | 'issuer' | 'clientId'>[]> {
  const rows = await database.withSystem((tx) => queries.allProviders(tx));
  return rows.map(({ name, issuer, clientId }) => ({ name, issuer, clientId }));
}

/** With its secret in clear. Throws AccountRefused, SealBroken. */
export async function openProvider(database: Database, secrets: Secrets, name: string): Promise<NewProvider> {
  const row = await database.withSystem((tx) => queries.providerByName(tx, name));
  if (!row) throw noProvider(name);
  return { ...row, clientSecret: secrets.unseal(placeOf(name), row.clientSecret) };
}

function noProvider(name: string): AccountRefused {
  return new AccountRefused('not-found', `There is no provider "${name}".`);
}

function placeOf(name: string): SealedPlace {
  return { workspaceId: '', table: 'oidc_provider', column: 'client_secret', rowId: name };
}
