/**
 * Sending domains: a workspace may send as the domains that it has added, once their records are in the DNS.
 *
 * Before: `camp domain`, and the checklist before a campaign. After: the worker signs with `dkimKeysOf`.
 * Whoever checks a domain also moves its keys on: a pending key whose record is there begins to sign, and a retiring key
 * that nothing under way needs is forgotten once its record is gone. What was found is kept with the domain.
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

type Algorithm = DkimKey['algorithm'];

/** Each is looked up by every check. */
const RETIRING_MAX = 10;
/** States of a campaign that has been let go and is not over. */
const UNDER_WAY = ['scheduled', 'starting', 'sending', 'holding', 'paused', 'finishing'];

export interface SendingDomain extends queries.DomainRow {
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
  tx: Tx,
  secrets: Secrets,
  workspaceId: string,
  text: string,
  algorithms: readonly Algorithm[],
): Promise<string> {
  const key = { workspaceId, domain: readDomain(text) };
  // Before the look at its keys: nobody removes it, or gives it others, until ours are there.
  await queries.ensureDomain(tx, key);
  const keys = await queries.keysOfDomains(tx, workspaceId, [key.domain]);
  const lacking = algorithms.filter((algorithm) => !keys.some((known) => known.algorithm === algorithm));
  // The domain and its keys come together: one without a key could look as if nothing were amiss.
  const made = await Promise.all(lacking.map((algorithm) => makeKey(secrets, key, algorithm)));
  for (const each of made) await queries.insertPendingKey(tx, each);
  return key.domain;
}

/** Makes a new key for each algorithm (of those that it has, unless told) of which none waits. Throws DomainRefused. */
export async function rotateDomain(
  tx: Tx,
  secrets: Secrets,
  workspaceId: string,
  text: string,
  algorithms?: readonly Algorithm[],
): Promise<string> {
  const key = await addedDomain(tx, workspaceId, text);
  const keys = await queries.keysOfDomains(tx, workspaceId, [key.domain]);
  if (keys.filter(({ state }) => state === 'retiring').length >= RETIRING_MAX)
    throw new DomainRefused(
      `${key.domain} has ${RETIRING_MAX} keys that are retiring: take the records of the oldest out of the DNS, and check the domain.`,
      'conflict',
    );
  const wanted = new Set(algorithms ?? keys.map(({ algorithm }) => algorithm));
  for (const { state, algorithm } of keys) if (state === 'pending') wanted.delete(algorithm);
  const made = await Promise.all([...wanted].map((algorithm) => makeKey(secrets, key, algorithm)));
  for (const each of made) await queries.insertPendingKey(tx, each);
  return key.domain;
}

/**
 * A key that waits is forgotten; one that signs retires, when another one signs. One that is retiring is forgotten by a
 * check, once its record is gone. Throws DomainRefused.
 */
export async function retireKey(
  tx: Tx,
  workspaceId: string,
  text: string,
  selector: string,
): Promise<string> {
  const domain = await addedDomain(tx, workspaceId, text);
  const keys = await queries.keysOfDomains(tx, workspaceId, [domain.domain]);
  const key = keys.find((known) => known.selector === selector);
  if (!key) throw new DomainRefused(`${domain.domain} has no key ${selector}.`, 'not-found');
  if (key.state === 'retiring')
    throw new DomainRefused(`The key ${selector} is retiring already.`, 'conflict');
  const others = keys.filter(({ state }) => state !== 'retiring').length - 1;
  const signing = keys.filter(({ state }) => state === 'active').length;
  if (others === 0 || (key.state === 'active' && signing === 1))
    throw new DomainRefused(
      `${selector} is the only key of ${domain.domain}${key.state === 'active' ? ' that signs' : ''}: make another one first (\`camp domain rotate ${domain.domain}\`), and retire this one when that signs.`,
      'conflict',
    );
  if (key.state === 'pending') await queries.deletePending(tx, { ...domain, selector });
  else await queries.retireActive(tx, { ...domain, selector });
  return domain.domain;
}

/** Forgets a domain and its keys. Throws DomainRefused, also while mail that it signs is under way, or waits. */
export async function removeDomain(tx: Tx, workspaceId: string, text: string): Promise<string> {
  const key = await addedDomain(tx, workspaceId, text);
  const signsFor = async ({ fromDomain }: { fromDomain: string }) =>
    (await queries.signingDomain(tx, workspaceId, alignedDomains(fromDomain))) === key.domain;
  for (const campaign of await queries.fromDomainsInStates(tx, workspaceId, UNDER_WAY))
    if (await signsFor(campaign))
      throw new DomainRefused(
        `The campaign "${campaign.name}" sends as ${campaign.fromDomain} and is not over: wait for its end, or cancel it.`,
        'conflict',
      );
  for (const waiting of await queries.fromDomainsOfWaiting(tx, workspaceId))
    if (await signsFor(waiting))
      throw new DomainRefused(
        `Messages from ${waiting.fromDomain} wait to be sent: wait until they have left, or cancel them.`,
        'conflict',
      );
  await queries.deleteDomain(tx, key);
  return key.domain;
}

/** Whether mail from this domain is signed; nobody removes the domain that signs it until the transaction ends. */
export async function holdSigner(tx: Tx, workspaceId: string, fromDomain: string): Promise<boolean> {
  const domains = alignedDomains(fromDomain);
  await queries.holdDomains(tx, workspaceId, domains);
  return (await queries.signingKeys(tx, workspaceId, domains)).length > 0;
}

/** Its row is locked until the transaction ends. Throws DomainRefused. */
async function addedDomain(tx: Tx, workspaceId: string, text: string): Promise<queries.DomainKey> {
  const key = { workspaceId, domain: readDomain(text) };
  if (await queries.lockDomain(tx, key)) return key;
  throw new DomainRefused(
    `${key.domain} was not added yet: run \`camp domain add ${key.domain}\`.`,
    'not-found',
  );
}

/** In the order of their names, those behind `after`. */
export async function domainPage(
  tx: Tx,
  workspaceId: string,
  after: string | null,
  limit: number,
): Promise<SendingDomain[]> {
  return withKeys(tx, workspaceId, await queries.domainPage(tx, workspaceId, after ?? '', limit));
}

/** `domain` in ASCII and lower case. */
export async function findDomain(tx: Tx, key: queries.DomainKey): Promise<SendingDomain | undefined> {
  const row = await queries.findDomain(tx, key);
  const [found] = await withKeys(tx, key.workspaceId, row ? [row] : []);
  return found;
}

async function withKeys(
  tx: Tx,
  workspaceId: string,
  rows: readonly queries.DomainRow[],
): Promise<SendingDomain[]> {
  const names = rows.map(({ domain }) => domain);
  const keys = Map.groupBy(await queries.keysOfDomains(tx, workspaceId, names), ({ domain }) => domain);
  return rows.map((row) => ({ ...row, keys: keys.get(row.domain) ?? [] }));
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
  if (domain === signingDomain)
    await database.withWorkspace(workspaceId, (tx) =>
      queries.keepFindings(tx, { workspaceId, domain }, records),
    );
  return { kind: 'checked', domain, signingDomain, records, activated: dkim.activated };
}
