/**
 * Relays: the SMTP servers that a workspace may hand its mail to. A relay is a name and an SMTP URL; the URL has a
 * password in it, so it is sealed in the database and shown without. Weights and fall-back are said by the route that
 * uses it (routes.ts): one relay can be first for one domain and last resort for another.
 */
import type { Database, Tx } from '../kernel/database.ts';
import { SealBroken, type SealedPlace, type Secrets } from '../kernel/secrets.ts';
import { parseSmtpUrl, type RelayOptions } from '../smtp/url.ts';
import * as queries from './queries-routes.ts';
import { checkName, RouteRefused } from './route-names.ts';
import { parseRoute } from './routes-text.ts';

/** The name of the relay of SMTP_URL, in routes and where its trouble is kept. */
export const ENVIRONMENT_RELAY = 'relay';

export type Relay =
  | { readonly kind: 'relay'; readonly name: string; readonly options: RelayOptions }
  /** Its URL does not open any more. */
  | { readonly kind: 'sealed'; readonly name: string; readonly error: string };

/** Adds a relay, or gives it another URL; true when it is new. Throws SmtpUrlError or RouteRefused. */
export async function addRelay(
  database: Database,
  secrets: Secrets,
  workspaceId: string,
  { name, url }: { name: string; url: string },
): Promise<boolean> {
  checkName(name, 'relay');
  if (name === ENVIRONMENT_RELAY)
    throw new RouteRefused('"relay" is the name of the relay of SMTP_URL: take another one.');
  parseSmtpUrl(url);
  const sealedUrl = secrets.seal(placeOf(workspaceId, name), url);
  return database.withWorkspace(workspaceId, async (tx) => {
    await queries.clearTrouble(tx, workspaceId, name);
    return queries.upsertRelay(tx, workspaceId, { name, sealedUrl });
  });
}

export async function listRelays(tx: Tx, secrets: Secrets, workspaceId: string): Promise<Relay[]> {
  const rows = await queries.allRelays(tx, workspaceId);
  return rows.map((row) => openRelay(secrets, workspaceId, row));
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

/** Throws RouteRefused while a route names it. */
export function removeRelay(database: Database, workspaceId: string, name: string): Promise<void> {
  return database.withWorkspace(workspaceId, async (tx) => {
    const routes = await queries.allSendingRoutes(tx, workspaceId);
    const user = routes.find(({ route }) => parseRoute(route).flat().some(isRelay(name)));
    if (user)
      throw new RouteRefused(
        `The route of "${user.domain}" uses the relay ${name}: change it first (\`camp route set\`, or \`camp route remove\`).`,
      );
    const removed = await queries.deleteRelay(tx, workspaceId, name);
    if (!removed) throw new RouteRefused(`There is no relay "${name}": see \`camp relay list\`.`);
    await queries.clearTrouble(tx, workspaceId, name);
  });
}

function isRelay(name: string) {
  return (way: { kind: string; name: string }) => way.kind === 'relay' && way.name === name;
}

function openRelay(secrets: Secrets, workspaceId: string, { name, sealedUrl }: queries.RelayRow): Relay {
  try {
    const url = secrets.unseal(placeOf(workspaceId, name), sealedUrl).toString();
    return { kind: 'relay', name, options: parseSmtpUrl(url) };
  } catch (error) {
    if (error instanceof SealBroken) return { kind: 'sealed', name, error: error.message };
    throw error;
  }
}

function placeOf(workspaceId: string, name: string): SealedPlace {
  return { workspaceId, table: 'relay', column: 'sealed_url', rowId: name };
}
