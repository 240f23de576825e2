/**
 * The SQL of the ways out. Relays, routes and grants are a workspace's rows; pools, sources and their ramps belong to the
 * installation: a workspace reads them, and only the system writes them.
 */
import type { Tx } from '../kernel/database.ts';
import { sql } from '../kernel/sql.ts';
import type { Source } from './sources.ts';
import type { WarmUp } from './warm-up.ts';

export interface RelayRow {
  name: string;
  sealedUrl: string;
  /** Whether it may be anywhere that Camp reaches. */
  trusted: boolean;
}

/** True: it is new; false: it had another URL. */
export async function upsertRelay(tx: Tx, workspaceId: string, relay: RelayRow): Promise<boolean> {
  const [row] = await tx.query<{ isNew: boolean }>(sql`
    INSERT INTO relay (workspace_id, name, sealed_url, trusted)
    VALUES (${workspaceId}, ${relay.name}, ${relay.sealedUrl}, ${relay.trusted})
    ON CONFLICT (workspace_id, name)
      DO UPDATE SET sealed_url = excluded.sealed_url, trusted = excluded.trusted, changed_at = now()
    RETURNING created_at = changed_at AS "isNew"`);
  return row?.isNew === true;
}

export interface TroubledRelayRow extends RelayRow {
  createdAt: Date;
  changedAt: Date;
  /** How often in a row it failed; null: never. */
  failures: number | null;
  pausedUntil: Date | null;
  reason: string | null;
}

/** Those behind `after` in the order of their names. */
export function relayPage(tx: Tx, workspaceId: string, after: string, limit: number) {
  return tx.query<TroubledRelayRow>(sql`
    SELECT r.name, ${RELAY} FROM relay r
    LEFT JOIN route t ON t.workspace_id = r.workspace_id AND t.name = r.name
    WHERE r.workspace_id = ${workspaceId} AND r.name > ${after} ORDER BY r.name LIMIT ${limit}`);
}

export async function findRelay(
  tx: Tx,
  workspaceId: string,
  name: string,
): Promise<TroubledRelayRow | undefined> {
  const [row] = await tx.query<TroubledRelayRow>(sql`
    SELECT r.name, ${RELAY} FROM relay r
    LEFT JOIN route t ON t.workspace_id = r.workspace_id AND t.name = r.name
    WHERE r.workspace_id = ${workspaceId} AND r.name = ${name}`);
  return row;
}

const RELAY = sql`r.sealed_url AS "sealedUrl", r.trusted, r.created_at AS "createdAt", r.changed_at AS "changedAt",
  t.failures, t.paused_until AS "pausedUntil", t.reason`;

export function relaysNamed(tx: Tx, workspaceId: string, names: readonly string[]) {
  return tx.query<RelayRow>(sql`
    SELECT name, sealed_url AS "sealedUrl", trusted FROM relay
    WHERE workspace_id = ${workspaceId} AND name = ANY(${names}::text[])`);
}

/** Until the transaction ends nobody removes one of them. */
export function holdRelays(tx: Tx, workspaceId: string, names: readonly string[]) {
  return tx.query(sql`
    SELECT name FROM relay WHERE workspace_id = ${workspaceId} AND name = ANY(${names}::text[])
    ORDER BY name FOR KEY SHARE`);
}

/** False: there was none. */
export async function deleteRelay(tx: Tx, workspaceId: string, name: string): Promise<boolean> {
  const rows = await tx.query(
    sql`DELETE FROM relay WHERE workspace_id = ${workspaceId} AND name = ${name} RETURNING name`,
  );
  return rows.length === 1;
}

/** A relay that was changed or removed is not in trouble any more. */
export function clearTrouble(tx: Tx, workspaceId: string, name: string) {
  return tx.query(sql`UPDATE route SET failures = 0, paused_until = NULL, reason = NULL
    WHERE workspace_id = ${workspaceId} AND name = ${name}`);
}

export interface SendingRouteRow {
  domain: string;
  route: string;
}

/** Those behind `after` in the order of their domains. */
export function sendingRoutePage(tx: Tx, workspaceId: string, after: string, limit: number) {
  return tx.query<SendingRouteRow & { changedAt: Date }>(sql`
    SELECT domain, route, changed_at AS "changedAt" FROM sending_route
    WHERE workspace_id = ${workspaceId} AND domain > ${after} ORDER BY domain LIMIT ${limit}`);
}

export async function findSendingRoute(tx: Tx, workspaceId: string, domain: string) {
  const [row] = await tx.query<SendingRouteRow & { changedAt: Date }>(sql`
    SELECT domain, route, changed_at AS "changedAt" FROM sending_route
    WHERE workspace_id = ${workspaceId} AND domain = ${domain}`);
  return row;
}

export function upsertSendingRoute(tx: Tx, workspaceId: string, { domain, route }: SendingRouteRow) {
  return tx.query(sql`
    INSERT INTO sending_route (workspace_id, domain, route) VALUES (${workspaceId}, ${domain}, ${route})
    ON CONFLICT (workspace_id, domain) DO UPDATE SET route = excluded.route, changed_at = now()`);
}

/** False: there was none. */
export async function deleteSendingRoute(tx: Tx, workspaceId: string, domain: string): Promise<boolean> {
  const rows = await tx.query(
    sql`DELETE FROM sending_route WHERE workspace_id = ${workspaceId} AND domain = ${domain} RETURNING domain`,
  );
  return rows.length === 1;
}

export function allSendingRoutes(tx: Tx, workspaceId: string) {
  return tx.query<SendingRouteRow>(
    sql`SELECT domain, route FROM sending_route WHERE workspace_id = ${workspaceId} ORDER BY domain`,
  );
}

/** The route of the longest of these names that has one. */
export async function routeOfNearest(
  tx: Tx,
  workspaceId: string,
  domains: readonly string[],
): Promise<SendingRouteRow | undefined> {
  const [row] = await tx.query<SendingRouteRow>(sql`
    SELECT domain, route FROM sending_route WHERE workspace_id = ${workspaceId} AND domain = ANY(${domains}::text[])
    ORDER BY length(domain) DESC LIMIT 1`);
  return row;
}

export interface PoolRow {
  name: string;
  /** Whether every workspace may use it. */
  open: boolean;
  /** Whether this one may. */
  granted: boolean;
  sources: Source[];
}

/** Of these pools the ones that exist, each with its sources and their ramps. */
export function poolsNamed(tx: Tx, workspaceId: string, names: readonly string[]) {
  return tx.query<PoolRow>(sql`
    SELECT p.name, p.open, p.open OR EXISTS (SELECT FROM pool_grant g
        WHERE g.workspace_id = ${workspaceId} AND g.pool = p.name) AS granted,
      coalesce((SELECT jsonb_agg(jsonb_build_object('address', host(s.address), 'heloName', s.helo_name,
          'pool', s.pool, 'weight', s.weight, 'warmUps', ${warmUpsOfSource}) ORDER BY s.address)
        FROM source s WHERE s.pool = p.name), '[]') AS sources
    FROM pool p WHERE p.name = ANY(${names}::text[])`);
}

const warmUpsOfSource = sql`
  coalesce((SELECT jsonb_agg(jsonb_build_object('provider', w.provider, 'start', w.start_on, 'from', w.first_day_messages,
      'factor', w.factor, 'until', w.warm_messages) ORDER BY w.provider)
    FROM warm_up w WHERE w.address = s.address), '[]')`;

/** All pools, with how many sources each has, and who it was granted to as far as the role sees that. */
export function allPools(tx: Tx) {
  return tx.query<{ name: string; open: boolean; sources: number }>(sql`
    SELECT name, open, (SELECT count(*)::int FROM source s WHERE s.pool = p.name) AS sources
    FROM pool p ORDER BY name`);
}

export interface SourceRow extends Source {
  publicAddress: string | null;
  /** Whether every workspace may use its pool. */
  open: boolean;
}

export function allSources(tx: Tx) {
  return tx.query<SourceRow>(sql`
    SELECT host(s.address) AS address, host(s.public_address) AS "publicAddress", s.helo_name AS "heloName", s.pool,
      s.weight, p.open, ${warmUpsOfSource} AS "warmUps"
    FROM source s JOIN pool p ON p.name = s.pool ORDER BY s.pool, s.address`);
}

export async function findSource(tx: Tx, address: string): Promise<SourceRow | undefined> {
  const [row] = await tx.query<SourceRow>(sql`
    SELECT host(s.address) AS address, host(s.public_address) AS "publicAddress", s.helo_name AS "heloName", s.pool,
      s.weight, p.open, ${warmUpsOfSource} AS "warmUps"
    FROM source s JOIN pool p ON p.name = s.pool WHERE s.address = ${address}::inet`);
  return row;
}

export interface NewSource {
  address: string;
  publicAddress: string | null;
  heloName: string;
  pool: string;
  weight: number;
}

export function ensurePool(tx: Tx, pool: string) {
  return tx.query(sql`INSERT INTO pool (name) VALUES (${pool}) ON CONFLICT DO NOTHING`);
}

/** True: it is new; false: it was changed, and keeps its ramps. */
export async function upsertSource(tx: Tx, source: NewSource): Promise<boolean> {
  const [row] = await tx.query<{ isNew: boolean }>(sql`
    INSERT INTO source (address, public_address, helo_name, pool, weight)
    VALUES (${source.address}, ${source.publicAddress}, ${source.heloName}, ${source.pool}, ${source.weight})
    ON CONFLICT (address) DO UPDATE SET public_address = excluded.public_address, helo_name = excluded.helo_name,
      pool = excluded.pool, weight = excluded.weight, changed_at = now()
    RETURNING created_at = changed_at AS "isNew"`);
  return row?.isNew === true;
}

/** Its ramps go with it. False: there was none. */
export async function deleteSource(tx: Tx, address: string): Promise<boolean> {
  const rows = await tx.query(sql`DELETE FROM source WHERE address = ${address}::inet RETURNING address`);
  return rows.length === 1;
}

export function upsertWarmUp(tx: Tx, address: string, warmUp: WarmUp) {
  return tx.query(sql`
    INSERT INTO warm_up (address, provider, start_on, first_day_messages, factor, warm_messages)
    VALUES (${address}, ${warmUp.provider}, ${warmUp.start}, ${warmUp.from}, ${warmUp.factor}, ${warmUp.until})
    ON CONFLICT (address, provider) DO UPDATE SET start_on = excluded.start_on,
      first_day_messages = excluded.first_day_messages, factor = excluded.factor, warm_messages = excluded.warm_messages`);
}

/** False: there was none. */
export async function deleteWarmUp(tx: Tx, address: string, provider: string): Promise<boolean> {
  const rows = await tx.query(
    sql`DELETE FROM warm_up WHERE address = ${address}::inet AND provider = ${provider} RETURNING provider`,
  );
  return rows.length === 1;
}

export function setPoolOpen(tx: Tx, pool: string, open: boolean) {
  return tx.query(sql`UPDATE pool SET open = ${open} WHERE name = ${pool}`);
}

export function insertGrant(tx: Tx, workspaceId: string, pool: string) {
  return tx.query(
    sql`INSERT INTO pool_grant (workspace_id, pool) VALUES (${workspaceId}, ${pool}) ON CONFLICT DO NOTHING`,
  );
}

export function deleteGrant(tx: Tx, workspaceId: string, pool: string) {
  return tx.query(sql`DELETE FROM pool_grant WHERE workspace_id = ${workspaceId} AND pool = ${pool}`);
}
