/**
 * Routes: how the mail of a workspace's sending domain gets out. Through relays, or straight to the MX hosts of its
 * recipients from a pool of sources; several ways share by weight, and further levels are for when nothing of the level
 * before is usable.
 *
 * A route is stored as a person writes it (routes-text.ts), for a domain and those below it; '*' is for the domains that
 * have none, and without that the environment decides: the relay of SMTP_URL, else straight to MX. `routePlanOf` joins a
 * route with what it names; what has gone since is a problem of the plan, never a silent other way out.
 */
import type { Config } from '../kernel/config.ts';
import type { Tx } from '../kernel/database.ts';
import type { Secrets } from '../kernel/secrets.ts';
import { parseSmtpUrl, type RelayOptions } from '../smtp/url.ts';
import { alignedDomains, readDomain } from './domain-names.ts';
import * as queries from './queries-routes.ts';
import { ENVIRONMENT_RELAY, findRelays, type Relay } from './relays.ts';
import { RouteRefused } from './route-names.ts';
import { DEFAULT_POOL, formatRoute, nameOfWay, parseRoute, type Way } from './routes-text.ts';
import type { Source } from './sources.ts';
import { chooseByWeight, type Weighted } from './weighted.ts';

export type Route = RelayRoute | DirectRoute;

export interface RelayRoute extends Weighted {
  readonly kind: 'relay';
  /** Unique in the workspace: its trouble is kept under this name. */
  readonly name: string;
  readonly options: RelayOptions;
}

export interface DirectRoute extends Weighted {
  readonly kind: 'direct';
  readonly pool: string;
  /** Of the whole pool, also those that only other machines can use. Empty: the machine's default address. */
  readonly sources: readonly Source[];
}

/** By weight within a level; the next level only while nothing of the one before is usable. */
export interface RoutePlan {
  readonly levels: readonly (readonly Route[])[];
  /** A sentence for each way that the plan should have and lacks; with no level at all, why mail waits. */
  readonly problems: readonly string[];
}

/** The domain whose route is meant when no other fits. */
export const ANY_DOMAIN = '*';

/** What SMTP_URL and CAMP_RESOLVER say: the route of every domain that no other route is for. */
export function environmentRoute({ smtpUrl, resolver }: Pick<Config, 'smtpUrl' | 'resolver'>): Route | null {
  if (smtpUrl !== undefined)
    return { kind: 'relay', name: ENVIRONMENT_RELAY, weight: 1, options: parseSmtpUrl(smtpUrl) };
  return resolver === undefined ? null : { kind: 'direct', pool: DEFAULT_POOL, weight: 1, sources: [] };
}

/** `fromDomain` in lower case. `fallback`: the environment's route. */
export async function routePlanOf(
  tx: Tx,
  secrets: Secrets,
  workspaceId: string,
  fromDomain: string,
  fallback: Route | null,
): Promise<RoutePlan> {
  const row = await queries.routeOfNearest(tx, workspaceId, [...alignedDomains(fromDomain), ANY_DOMAIN]);
  const route = row ? parseRoute(row.route) : fallback && [[wayOf(fallback)]];
  if (!route) return { levels: [], problems: [noWayOut(fromDomain)] };
  const levels = await joinRoute(tx, secrets, workspaceId, route, fallback);
  return {
    levels: levels.map((ways) => ways.filter(isRoute)).filter((ways) => ways.length > 0),
    problems: levels.flat().filter((way) => typeof way === 'string'),
  };
}

/** null: nothing is usable now. The same key (the recipient) gets the same route for as long as that is usable. */
export function pickRoute(
  { levels }: RoutePlan,
  isUsable: (route: Route) => boolean,
  key: string,
): Route | null {
  for (const level of levels) {
    const picked = chooseByWeight(level.filter(isUsable), (route) => nameOfWay(wayOf(route)), key);
    if (picked) return picked;
  }
  return null;
}

/** Gives a domain (or '*') a route, instead of the one it may have; as it is stored. Throws RouteRefused. */
export async function setRoute(
  tx: Tx,
  secrets: Secrets,
  workspaceId: string,
  { domain, route, fallback }: { domain: string; route: string; fallback: Route | null },
): Promise<queries.SendingRouteRow> {
  const name = domain === ANY_DOMAIN ? domain : readDomain(domain);
  const levels = parseRoute(route);
  await queries.holdRelays(tx, workspaceId, namesOf('relay', levels));
  const joined = await joinRoute(tx, secrets, workspaceId, levels, fallback);
  const problem = joined.flat().find((way) => typeof way === 'string');
  if (problem !== undefined) throw new RouteRefused(problem);
  const row = { domain: name, route: formatRoute(levels) };
  await queries.upsertSendingRoute(tx, workspaceId, row);
  return row;
}

/** Throws RouteRefused. */
export async function removeRoute(tx: Tx, workspaceId: string, domain: string): Promise<string> {
  const name = domain === ANY_DOMAIN ? domain : readDomain(domain);
  const removed = await queries.deleteSendingRoute(tx, workspaceId, name);
  if (!removed)
    throw new RouteRefused(`"${name}" has no route of its own: see \`camp route show\`.`, 'not-found');
  return name;
}

function wayOf(route: Route): Way {
  const { kind, weight } = route;
  return { kind, name: kind === 'relay' ? route.name : route.pool, weight };
}

type RouteOrProblem = Route | string;

function isRoute(way: RouteOrProblem): way is Route {
  return typeof way !== 'string';
}

/** Each way with what it names, or the sentence that says why it cannot be used. */
async function joinRoute(
  tx: Tx,
  secrets: Secrets,
  workspaceId: string,
  levels: readonly (readonly Way[])[],
  fallback: Route | null,
): Promise<RouteOrProblem[][]> {
  const relays = await findRelays(tx, secrets, workspaceId, namesOf('relay', levels));
  const pools = await queries.poolsNamed(tx, workspaceId, namesOf('direct', levels));
  const joinWay = (way: Way): RouteOrProblem => {
    const isNamed = ({ name }: { name: string }) => name === way.name;
    if (way.kind === 'direct') return directRoute(way, pools.find(isNamed));
    if (fallback?.kind === 'relay' && isNamed(fallback)) return { ...fallback, weight: way.weight };
    return relayRoute(way, relays.find(isNamed));
  };
  return levels.map((ways) => ways.map(joinWay));
}

function namesOf(kind: Way['kind'], levels: readonly (readonly Way[])[]): string[] {
  return levels.flat().flatMap((way) => (way.kind === kind ? [way.name] : []));
}

function relayRoute({ name, weight }: Way, relay: Relay | undefined): RouteOrProblem {
  if (relay?.kind === 'relay') return { kind: 'relay', name, weight, options: relay.options };
  if (relay) return `The relay ${name} cannot be used: ${relay.error}`;
  if (name === ENVIRONMENT_RELAY)
    return 'The route uses relay:relay, the relay of SMTP_URL, and SMTP_URL is not set: set it, or change the route.';
  return `There is no relay "${name}": add it (\`camp relay add ${name} URL\`), or change the route.`;
}

/** Only the pool `default` may be without a source: then the machine's own address is used. */
function directRoute({ name: pool, weight }: Way, row: queries.PoolRow | undefined): RouteOrProblem {
  if (row && !row.granted)
    return `The pool ${pool} is not granted to this workspace (\`camp source grant ${pool}\`): grant it, or change the route.`;
  const sources = row?.sources ?? [];
  if (sources.length > 0 || pool === DEFAULT_POOL) return { kind: 'direct', pool, weight, sources };
  return `The pool ${pool} has no source: add one (\`camp source add ADDRESS --pool ${pool}\`), or change the route.`;
}

function noWayOut(fromDomain: string): string {
  return `Mail from ${fromDomain} has no way out: set SMTP_URL or CAMP_RESOLVER, or give it a route (\`camp route set\`).`;
}
