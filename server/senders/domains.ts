/**
 * Sending domains: a workspace may send as the domains that it has added, once their records are in the DNS.
 *
 * Before: `camp domain`, and the checklist before a campaign. After: the worker signs with `dkimKeysOf`.
 * Whoever checks a domain also moves its keys on: a pending key whose record is there begins to sign, and a retiring key
 * that nothing under way needs is forgotten once its record is gone.
 */
import type { Database, Tx } from '../kernel/database.ts';
import type { Secrets } from '../kernel/secrets.ts';
import type { DkimKey } from '../smtp/dkim.ts';
import { makeKey, openKey } from './dkim-keys.ts';
import { bounceRecord, type CheckedRecord, dmarcRecord, spfRecord, trackingRecord } from './dns-records.ts';
import { alignedDomains, DomainRefused, readDomain } from './domain-names.ts';
import type { Installation } from './installation.ts';
import { checkKeys } from './key-checks.ts';
import * as queries from './queries.ts';
import { type Asking, checkBounceMx, checkDmarc, checkSpf, checkTrackingCname } from './record-checks.ts';

export interface SendingDomain {
  domain: string;
  keys: queries.KeyRow[];
}

export type DomainCheck =
  /** Neither the domain nor a parent in its organization was added: nothing signs for it. */
  | { kind: 'not-added'; domain: string }
  | {
      kind: 'checked';
      domain: string;
      /** The added domain whose keys sign: the domain itself, or its nearest added parent. */
      signingDomain: string;
      records: CheckedRecord[];
      /** Selectors of keys that sign from now on, because their records were found. */
      activated: string[];
    };

/** Adds a domain with a key for each algorithm; what it has already, stays. Throws DomainRefused. */
export async function addDomain(
  database: Database,
  secrets: Secrets,
  workspaceId: string,
  text: string,
  algorithms: readonly DkimKey['algorithm'][],
): Promise<string> {
  const key = { workspaceId, domain: readDomain(text) };
  const keys = await keysOf(database, key);
  const lacking = algorithms.filter((algorithm) => !keys.some((known) => known.algorithm === algorithm));
  await addKeys(database, secrets, key, lacking);
  return key.domain;
}

/** Makes a new key for each algorithm of which none waits. Throws DomainRefused. */
export async function rotateDomain(
  database: Database,
  secrets: Secrets,
  workspaceId: string,
  text: string,
): Promise<string> {
  const key = { workspaceId, domain: readDomain(text) };
  const keys = await keysOf(database, key);
  if (keys.length === 0)
    throw new DomainRefused(`${key.domain} was not added yet: run \`camp domain add ${key.domain}\`.`);
  const waiting = keys.filter(({ state }) => state === 'pending').map(({ algorithm }) => algorithm);
  const lacking = new Set(keys.map(({ algorithm }) => algorithm)).difference(new Set(waiting));
  await addKeys(database, secrets, key, [...lacking]);
  return key.domain;
}

function keysOf(database: Database, { workspaceId, domain }: queries.DomainKey): Promise<queries.KeyRow[]> {
  return database.withWorkspace(workspaceId, (tx) => queries.keysOfDomains(tx, workspaceId, [domain]));
}

/** The domain and its keys come together: one without a key could look as if nothing were amiss. */
async function addKeys(
  database: Database,
  secrets: Secrets,
  domain: queries.DomainKey,
  algorithms: readonly DkimKey['algorithm'][],
): Promise<void> {
  const keys = await Promise.all(algorithms.map((algorithm) => makeKey(secrets, domain, algorithm)));
  await database.withWorkspace(domain.workspaceId, async (tx) => {
    await queries.insertDomain(tx, domain);
    for (const key of keys) await queries.insertPendingKey(tx, key);
  });
}

export async function listDomains(database: Database, workspaceId: string): Promise<SendingDomain[]> {
  return database.readWorkspace(workspaceId, async (tx) => {
    const domains = await queries.allDomains(tx, workspaceId);
    const keys = await queries.keysOfDomains(tx, workspaceId, domains);
    return domains.map((domain) => ({ domain, keys: keys.filter((key) => key.domain === domain) }));
  });
}

/** The keys to sign with now: of the domain itself, else of its nearest parent in the organization. RSA first. Throws SealBroken. */
export async function dkimKeysOf(
  tx: Tx,
  secrets: Secrets,
  workspaceId: string,
  domain: string,
): Promise<DkimKey[]> {
  const rows = await queries.signingKeys(tx, workspaceId, alignedDomains(domain));
  return rows.map((row) => openKey(secrets, workspaceId, row));
}

export interface DomainCheckOptions extends Asking {
  database: Database;
  workspaceId: string;
  installation: Installation;
}

/** Looks up the records that mail from this domain needs, and moves its keys on. `domain`: of a From address. */
export async function checkDomain(options: DomainCheckOptions, domain: string): Promise<DomainCheck> {
  const { database, workspaceId, installation } = options;
  const found = await database.readWorkspace(workspaceId, async (tx) => {
    const signingDomain = await queries.nearestDomain(tx, workspaceId, alignedDomains(domain));
    return (
      signingDomain && { signingDomain, keys: await queries.keysOfDomains(tx, workspaceId, [signingDomain]) }
    );
  });
  if (!found) return { kind: 'not-added', domain };
  const { signingDomain, keys } = found;
  const [dkim, ...others] = await Promise.all([
    checkKeys(options, keys),
    checkSpf(options, spfRecord(domain, installation), installation),
    checkDmarc(options, dmarcRecord(domain), { domain, signingDomain }),
    checkBounceMx(options, bounceRecord(signingDomain, installation), installation),
    checkTrackingCname(options, trackingRecord(signingDomain, installation), installation),
  ]);
  const records = [...dkim.records, ...others];
  return { kind: 'checked', domain, signingDomain, records, activated: dkim.activated };
}
