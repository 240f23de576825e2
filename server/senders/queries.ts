/** The SQL of sending domains and their DKIM keys. One function a statement. */
import type { Tx } from '../kernel/database.ts';
import { insertIntoOutbox } from '../kernel/queries-outbox.ts';
import { sql } from '../kernel/sql.ts';
import type { DkimKey } from '../smtp/dkim.ts';
import type { CheckedRecord } from './dns-records.ts';

export interface DomainKey {
  workspaceId: string;
  domain: string;
}

export interface KeyKey extends DomainKey {
  selector: string;
}

export type KeyState = 'pending' | 'active' | 'retiring';

export interface KeyRow {
  domain: string;
  selector: string;
  algorithm: DkimKey['algorithm'];
  publicKey: string;
  state: KeyState;
  createdAt: Date;
  /** Only of a retiring key. */
  retiringAt: Date | null;
}

export interface DomainRow {
  domain: string;
  createdAt: Date;
  /** When it was last looked for in the DNS, and what was found; null: never. */
  checkedAt: Date | null;
  findings: CheckedRecord[] | null;
}

const DOMAIN = sql`domain, created_at AS "createdAt", checked_at AS "checkedAt", findings`;

/** New, or as it was added before; either way with its row locked, as lockDomain does. */
export function ensureDomain(tx: Tx, { workspaceId, domain }: DomainKey) {
  return tx.query(sql`INSERT INTO sending_domain (workspace_id, domain) VALUES (${workspaceId}, ${domain})
    ON CONFLICT (workspace_id, domain) DO UPDATE SET domain = excluded.domain`);
}

/** Those behind `after` in the order of their names. */
export function domainPage(tx: Tx, workspaceId: string, after: string, limit: number) {
  return tx.query<DomainRow>(sql`
    SELECT ${DOMAIN} FROM sending_domain WHERE workspace_id = ${workspaceId} AND domain > ${after}
    ORDER BY domain LIMIT ${limit}`);
}

export async function findDomain(tx: Tx, { workspaceId, domain }: DomainKey): Promise<DomainRow | undefined> {
  const [row] = await tx.query<DomainRow>(sql`
    SELECT ${DOMAIN} FROM sending_domain WHERE workspace_id = ${workspaceId} AND domain = ${domain}`);
  return row;
}

/** With its row locked: nobody checks, removes or gives it a key meanwhile. */
export async function lockDomain(tx: Tx, { workspaceId, domain }: DomainKey): Promise<boolean> {
  const rows = await tx.query(sql`
    SELECT domain FROM sending_domain WHERE workspace_id = ${workspaceId} AND domain = ${domain} FOR UPDATE`);
  return rows.length === 1;
}

/** Those of these that were added: until the transaction ends nobody removes one. */
export function holdDomains(tx: Tx, workspaceId: string, domains: readonly string[]) {
  return tx.query(sql`
    SELECT domain FROM sending_domain WHERE workspace_id = ${workspaceId} AND domain = ANY(${domains}::text[])
    ORDER BY domain FOR KEY SHARE`);
}

export function keepFindings(tx: Tx, { workspaceId, domain }: DomainKey, findings: CheckedRecord[]) {
  return tx.query(sql`
    UPDATE sending_domain SET checked_at = now(), findings = ${JSON.stringify(findings)}
    WHERE workspace_id = ${workspaceId} AND domain = ${domain}`);
}

/** Its keys go with it. */
export async function deleteDomain(tx: Tx, { workspaceId, domain }: DomainKey): Promise<void> {
  await tx.query(sql`DELETE FROM dkim_key WHERE workspace_id = ${workspaceId} AND domain = ${domain}`);
  await tx.query(sql`DELETE FROM sending_domain WHERE workspace_id = ${workspaceId} AND domain = ${domain}`);
}

/** Of the campaigns in these states: the domain of each From, and the name of one of them. */
export function fromDomainsInStates(tx: Tx, workspaceId: string, states: readonly string[]) {
  return tx.query<{ fromDomain: string; name: string }>(sql`
    SELECT lower(split_part(from_email, '@', 2)) AS "fromDomain", min(name) AS name FROM campaign
    WHERE workspace_id = ${workspaceId} AND kind = 'campaign' AND state = ANY(${states}::text[])
    GROUP BY 1 ORDER BY 1`);
}

/**
 * The domains of the From addresses whose messages of their own wait. Index: campaign_stream, and for each stream
 * message_claim, which has the waiting ones only.
 */
export function fromDomainsOfWaiting(tx: Tx, workspaceId: string) {
  return tx.query<{ fromDomain: string }>(sql`
    SELECT DISTINCT lower(split_part(c.from_email, '@', 2)) AS "fromDomain" FROM campaign c
    CROSS JOIN LATERAL (SELECT FROM message m
      WHERE m.workspace_id = ${workspaceId} AND m.campaign_id = c.id AND m.due_at IS NOT NULL LIMIT 1) waiting
    WHERE c.workspace_id = ${workspaceId} AND c.kind = 'transactional' ORDER BY 1`);
}

/** The longest of these whose keys sign (see signingKeys); without one, the longest that was added. */
export async function signingDomain(
  tx: Tx,
  workspaceId: string,
  domains: readonly string[],
): Promise<string | undefined> {
  const [row] = await tx.query<{ domain: string }>(sql`
    SELECT d.domain FROM sending_domain d
    WHERE d.workspace_id = ${workspaceId} AND d.domain = ANY(${domains}::text[])
    ORDER BY EXISTS (SELECT FROM dkim_key k
      WHERE k.workspace_id = ${workspaceId} AND k.domain = d.domain AND k.state = 'active') DESC,
      length(d.domain) DESC LIMIT 1`);
  return row?.domain;
}

/** The longest of these that was added. */
export async function nearestDomain(
  tx: Tx,
  workspaceId: string,
  domains: readonly string[],
): Promise<string | undefined> {
  const [row] = await tx.query<{ domain: string }>(sql`
    SELECT domain FROM sending_domain WHERE workspace_id = ${workspaceId} AND domain = ANY(${domains}::text[])
    ORDER BY length(domain) DESC LIMIT 1`);
  return row?.domain;
}

/** RSA before Ed25519; what signs first, then what waits. */
export function keysOfDomains(tx: Tx, workspaceId: string, domains: readonly string[]) {
  return tx.query<KeyRow>(sql`
    SELECT domain, selector, algorithm, public_key AS "publicKey", state, created_at AS "createdAt",
      retiring_at AS "retiringAt"
    FROM dkim_key WHERE workspace_id = ${workspaceId} AND domain = ANY(${domains}::text[])
    ORDER BY domain, array_position('{active,pending,retiring}', state), algorithm DESC, created_at, selector`);
}

export interface SigningKeyRow {
  domain: string;
  selector: string;
  algorithm: DkimKey['algorithm'];
  sealedKey: string;
}

/** The keys that sign for the longest of these domains that has any. RSA before Ed25519. */
export function signingKeys(tx: Tx, workspaceId: string, domains: readonly string[]) {
  return tx.query<SigningKeyRow>(sql`
    SELECT domain, selector, algorithm, private_key AS "sealedKey"
    FROM dkim_key WHERE workspace_id = ${workspaceId} AND state = 'active' AND domain = (
      SELECT domain FROM dkim_key
      WHERE workspace_id = ${workspaceId} AND state = 'active' AND domain = ANY(${domains}::text[])
      ORDER BY length(domain) DESC LIMIT 1)
    ORDER BY algorithm DESC`);
}

export interface NewKey extends KeyKey {
  algorithm: DkimKey['algorithm'];
  publicKey: string;
  sealedKey: string;
}

/** Does nothing when a key of its algorithm waits already. */
export function insertPendingKey(tx: Tx, key: NewKey) {
  return tx.query(sql`
    INSERT INTO dkim_key (workspace_id, domain, selector, algorithm, public_key, private_key)
    VALUES (${key.workspaceId}, ${key.domain}, ${key.selector}, ${key.algorithm}, ${key.publicKey}, ${key.sealedKey})
    ON CONFLICT (workspace_id, domain, algorithm) WHERE state = 'pending' DO NOTHING`);
}

/** The key that signs makes room for the pending one of its algorithm. Does nothing when that is not pending any more. */
export function retireForPending(tx: Tx, { workspaceId, domain, selector }: KeyKey) {
  return tx.query(sql`
    UPDATE dkim_key SET state = 'retiring', private_key = NULL, retiring_at = now()
    WHERE workspace_id = ${workspaceId} AND domain = ${domain} AND state = 'active' AND algorithm = (
      SELECT algorithm FROM dkim_key
      WHERE workspace_id = ${workspaceId} AND domain = ${domain} AND selector = ${selector} AND state = 'pending')`);
}

/** True when it was pending until now. */
export async function activatePending(tx: Tx, { workspaceId, domain, selector }: KeyKey): Promise<boolean> {
  const rows = await tx.query(sql`
    WITH activated AS (
      UPDATE dkim_key SET state = 'active'
      WHERE workspace_id = ${workspaceId} AND domain = ${domain} AND selector = ${selector} AND state = 'pending'
      RETURNING domain, selector, algorithm),
    announced AS (${insertIntoOutbox(workspaceId, {
      type: sql`'domain.verified'`,
      data: sql`jsonb_build_object('domain', activated.domain, 'selector', activated.selector,
        'algorithm', activated.algorithm)`,
      from: sql`activated`,
    })})
    SELECT selector FROM activated`);
  return rows.length === 1;
}

/** False: it signed nothing. */
export async function retireActive(tx: Tx, { workspaceId, domain, selector }: KeyKey): Promise<boolean> {
  const rows = await tx.query(sql`
    UPDATE dkim_key SET state = 'retiring', private_key = NULL, retiring_at = now()
    WHERE workspace_id = ${workspaceId} AND domain = ${domain} AND selector = ${selector} AND state = 'active'
    RETURNING selector`);
  return rows.length === 1;
}

export function deletePending(tx: Tx, { workspaceId, domain, selector }: KeyKey) {
  return tx.query(sql`
    DELETE FROM dkim_key
    WHERE workspace_id = ${workspaceId} AND domain = ${domain} AND selector = ${selector} AND state = 'pending'`);
}

export function deleteRetiring(tx: Tx, { workspaceId, domain, selector }: KeyKey) {
  return tx.query(sql`
    DELETE FROM dkim_key
    WHERE workspace_id = ${workspaceId} AND domain = ${domain} AND selector = ${selector} AND state = 'retiring'`);
}
