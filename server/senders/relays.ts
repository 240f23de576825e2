/**
 * Relays: the SMTP servers that a workspace may hand its mail to. A relay is a name and an SMTP URL; the URL has a
 * password in it, so it is sealed in the database and shown without. Weights and fall-back are said by the route that
 * uses it (routes.ts): one relay can be first for one domain and last resort for another.
 */
import { isIP } from 'node:net';
import type { Tx } from '../kernel/database.ts';
import { isPublicAddress } from '../kernel/public-address.ts';
import { SealBroken, type SealedPlace, type Secrets } from '../kernel/secrets.ts';
import { parseSmtpUrl, type RelayOptions } from '../smtp/url.ts';
import * as queries from './queries-routes.ts';
import { checkName, RouteRefused } from './route-names.ts';
import { parseRoute } from './routes-text.ts';

/** The name of the relay of SMTP_URL, in routes and where its trouble is kept. */
export const ENVIRONMENT_RELAY = 'relay';

export type Relay = KnownRelay | SealedRelay;

interface KnownRelay {
  readonly kind: 'relay';
  readonly name: string;
  readonly options: RelayOptions;
}

/** Its URL does not open any more. */
interface SealedRelay {
  readonly kind: 'sealed';
  readonly name: string;
  readonly error: string;
}

export type TroubledRelay = Relay &
  Pick<queries.TroubledRelayRow, 'createdAt' | 'changedAt' | 'failures' | 'pausedUntil' | 'reason'>;

/** Ports at which mail is handed in: a relay that is not trusted has one of them. */
const MAIL_PORTS = [25, 465, 587, 2465, 2525, 2587];

export interface NewRelay {
  name: string;
  url: string;
  /**
   * Whether whoever says so may reach all that Camp reaches: the operator may. Another's relay is on the public internet,
   * which is asked again of the address at every connection (kernel/public-address.ts).
   */
  trusted: boolean;
}

/** Adds a relay, or gives it another URL; true when it is new. Throws SmtpUrlError or RouteRefused. */
export async function saveRelay(
  tx: Tx,
  secrets: Secrets,
  workspaceId: string,
  { name, url, trusted }: NewRelay,
): Promise<boolean> {
  checkName(name, 'relay');
  if (name === ENVIRONMENT_RELAY)
    throw new RouteRefused('"relay" is the name of the relay of SMTP_URL: take another one.');
  checkReach(parseSmtpUrl(url), trusted);
  const sealedUrl = secrets.seal(placeOf(workspaceId, name), url);
  await queries.clearTrouble(tx, workspaceId, name);
  return queries.upsertRelay(tx, workspaceId, { name, sealedUrl, trusted });
}

function checkReach({ host, port }: RelayOptions, trusted: boolean): void {
  if (trusted) return;
  if (isIP(host) !== 0 && !isPublicAddress(host))
    throw new RouteRefused(
      `${host} is not on the public internet: only the operator of this installation may name a relay that is not.`,
    );
  if (!MAIL_PORTS.includes(port))
    throw new RouteRefused(
      `Mail is not handed in at port ${port}: write one of ${MAIL_PORTS.join(', ')}, or ask the operator of this installation.`,
    );
}

/** In the order of their names, those behind `after`. */
export async function relayPage(
  tx: Tx,
  secrets: Secrets,
  workspaceId: string,
  after: string | null,
  limit: number,
): Promise<TroubledRelay[]> {
  const rows = await queries.relayPage(tx, workspaceId, after ?? '', limit);
  return rows.map((row) => ({ ...row, ...openRelay(secrets, workspaceId, row) }));
}

/** Throws RouteRefused. */
export async function findRelay(
  tx: Tx,
  secrets: Secrets,
  workspaceId: string,
  name: string,
): Promise<TroubledRelay> {
  const row = await queries.findRelay(tx, workspaceId, name);
  if (!row) throw noSuchRelay(name);
  return { ...row, ...openRelay(secrets, workspaceId, row) };
}

/** What waits for it is tried at once. Throws RouteRefused. */
export async function resumeRelay(tx: Tx, workspaceId: string, name: string): Promise<void> {
  if (!(await queries.findRelay(tx, workspaceId, name))) throw noSuchRelay(name);
  await queries.clearTrouble(tx, workspaceId, name);
}

/** Those of these names that exist. */
export async function findRelays(
  tx: Tx,
  secrets: Secrets,
  workspaceId: string,
  names: readonly string[],
): Promise<Relay[]> {
  const rows = await queries.relaysNamed(tx, workspaceId, names);
  return rows.map((row) => openRelay(secrets, workspaceId, row));
}

/** Throws RouteRefused, also while a route names it. */
export async function removeRelay(tx: Tx, workspaceId: string, name: string): Promise<void> {
  const removed = await queries.deleteRelay(tx, workspaceId, name);
  if (!removed) throw noSuchRelay(name);
  const routes = await queries.allSendingRoutes(tx, workspaceId);
  const user = routes.find(({ route }) => parseRoute(route).flat().some(isRelay(name)));
  if (user)
    throw new RouteRefused(
      `The route of "${user.domain}" uses the relay ${name}: change it first (\`camp route set\`, or \`camp route remove\`).`,
      'conflict',
    );
  await queries.clearTrouble(tx, workspaceId, name);
}

function noSuchRelay(name: string): RouteRefused {
  return new RouteRefused(`There is no relay "${name}": see \`camp relay list\`.`, 'not-found');
}

function isRelay(name: string) {
  return (way: { kind: string; name: string }) => way.kind === 'relay' && way.name === name;
}

function openRelay(
  secrets: Secrets,
  workspaceId: string,
  { name, sealedUrl, trusted }: queries.RelayRow,
): Relay {
  try {
    const url = secrets.unseal(placeOf(workspaceId, name), sealedUrl).toString();
    return { kind: 'relay', name, options: { ...parseSmtpUrl(url), ...(!trusted && { publicOnly: true }) } };
  } catch (error) {
    if (error instanceof SealBroken) return { kind: 'sealed', name, error: error.message };
    throw error;
  }
}

function placeOf(workspaceId: string, name: string): SealedPlace {
  return { workspaceId, table: 'relay', column: 'sealed_url', rowId: name };
}
