/** The SQL of signing in through a provider. camp_system, unless it says otherwise. One function a statement. */
import type { Tx } from '../kernel/database.ts';
import { sql } from '../kernel/sql.ts';

export interface ProviderRow {
  name: string;
  issuer: string;
  clientId: string;
  /** Sealed. */
  clientSecret: string;
}

const PROVIDER = sql`name, issuer, client_id AS "clientId", client_secret AS "clientSecret"`;

/** A new one, or another client of one that is there. */
export function upsertProvider(tx: Tx, { name, issuer, clientId, clientSecret }: ProviderRow) {
  return tx.query(sql`
    INSERT INTO oidc_provider (name, issuer, client_id, client_secret)
    VALUES (${name}, ${issuer}, ${clientId}, ${clientSecret})
    ON CONFLICT (name) DO UPDATE SET issuer = excluded.issuer, client_id = excluded.client_id,
      client_secret = excluded.client_secret`);
}

/** False: there was none of this name. */
export async function deleteProvider(tx: Tx, name: string): Promise<boolean> {
  const rows = await tx.query(sql`DELETE FROM oidc_provider WHERE name = ${name} RETURNING name`);
  return rows.length === 1;
}

export function allProviders(tx: Tx) {
  return tx.query<ProviderRow>(sql`SELECT ${PROVIDER} FROM oidc_provider ORDER BY name`);
}

export async function providerByName(tx: Tx, name: string): Promise<ProviderRow | undefined> {
  const [provider] = await tx.query<ProviderRow>(
    sql`SELECT ${PROVIDER} FROM oidc_provider WHERE name = ${name}`,
  );
  return provider;
}

export interface Flow {
  provider: string;
  /** Who adds a way to sign in. */
  personId: string | null;
  /** Of what is accepted this way. */
  invitationHash: Buffer | null;
}

export function insertFlow(tx: Tx, hash: Buffer, flow: Flow, lastsSeconds: number) {
  return tx.query(sql`
    INSERT INTO oidc_flow (hash, provider, person_id, invitation_hash, expires_at)
    VALUES (${hash}, ${flow.provider}, ${flow.personId}, ${flow.invitationHash},
      now() + ${lastsSeconds} * interval '1 s')`);
}

/** Index: oidc_flow_ended. */
export function deleteEndedFlows(tx: Tx) {
  return tx.query(sql`DELETE FROM oidc_flow WHERE expires_at < now()`);
}

/** Uses it up: of many who come back with one cookie, one gets it. */
export async function takeFlow(tx: Tx, hash: Buffer): Promise<Flow | undefined> {
  const [flow] = await tx.query<Flow & { isGood: boolean }>(sql`
    DELETE FROM oidc_flow WHERE hash = ${hash}
    RETURNING provider, person_id AS "personId", invitation_hash AS "invitationHash", expires_at > now() AS "isGood"`);
  return flow?.isGood ? flow : undefined;
}

export interface Identity {
  issuer: string;
  subject: string;
}

export async function personOfIdentity(tx: Tx, { issuer, subject }: Identity): Promise<string | undefined> {
  const [row] = await tx.query<{ id: string }>(sql`
    SELECT person_id AS id FROM oidc_identity WHERE issuer = ${issuer} AND subject = ${subject}`);
  return row?.id;
}

/** camp_app too, for a member. */
export function insertIdentity(tx: Tx, { issuer, subject }: Identity, personId: string) {
  return tx.query(sql`INSERT INTO oidc_identity (issuer, subject, person_id)
    VALUES (${issuer}, ${subject}, ${personId})`);
}

export interface KeptIdentity extends Identity {
  /** The provider's name; null: it is trusted no more, and nobody signs in with it. */
  provider: string | null;
  createdAt: Date;
}

/** The oldest first. Index: oidc_identity_of_person. */
export function identitiesOf(tx: Tx, personId: string) {
  return tx.query<KeptIdentity>(sql`
    SELECT i.issuer, i.subject, i.created_at AS "createdAt",
      (SELECT min(p.name) FROM oidc_provider p WHERE p.issuer = i.issuer) AS provider
    FROM oidc_identity i WHERE i.person_id = ${personId} ORDER BY i.created_at, i.issuer, i.subject`);
}

/** False: the person has no such one. */
export async function deleteIdentity(
  tx: Tx,
  { issuer, subject }: Identity,
  personId: string,
): Promise<boolean> {
  const rows = await tx.query(sql`DELETE FROM oidc_identity
    WHERE issuer = ${issuer} AND subject = ${subject} AND person_id = ${personId} RETURNING subject`);
  return rows.length === 1;
}

export function deleteIdentities(tx: Tx, personId: string) {
  return tx.query(sql`DELETE FROM oidc_identity WHERE person_id = ${personId}`);
}
