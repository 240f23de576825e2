/**
 * Sources: the local addresses that mail leaves from on the way to MX hosts, each with the name that it says in EHLO.
 *
 * An address belongs to a machine, and its reputation to everybody who sends from it; so sources belong to the
 * installation, not to a workspace. They stand in pools (bulk, transactional), and a workspace's route names a pool: what
 * one stream of mail does to its addresses does not reach another's. A pool is open to every workspace, or only to those
 * that it was granted to.
 *
 * Before: a route (routes.ts) names the pool. After: a connection is bound to the address of the source chosen.
 */
import { isIP } from 'node:net';
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os';
import type { Database } from '../kernel/database.ts';
import * as queries from './queries-routes.ts';
import { checkName, RouteRefused, readHostName } from './route-names.ts';
import { checkWarmUp, type WarmUp } from './warm-up.ts';
import { chooseByWeight } from './weighted.ts';

export interface Source {
  /** IPv4 or IPv6, as Postgres and Node write it. */
  readonly address: string;
  readonly heloName: string;
  readonly pool: string;
  readonly weight: number;
  readonly warmUps: readonly WarmUp[];
}

/** Why a source may not send to a destination now, and until when: what the Quota says of source × provider. */
export interface Held {
  readonly untilMs: number;
  readonly reason: string;
}

export type SourceChoice =
  | { readonly kind: 'source'; readonly source: Source }
  | ({ readonly kind: 'held' } & Held);

/**
 * The source for a message, out of those that this machine can use; at least one. By weight, and the same one for the same
 * key (the recipient), so that a retry comes from the address that a greylist knows. A source that has no room today
 * overflows to the others of its pool; when none has room, the message is held until the first of them has.
 */
export function chooseSource(
  sources: readonly Source[],
  heldOf: (source: Source) => Held | null,
  key: string,
): SourceChoice {
  const free: Source[] = [];
  let soonest: Held | undefined;
  for (const source of sources) {
    const held = heldOf(source);
    if (held === null) free.push(source);
    else if (!soonest || held.untilMs < soonest.untilMs) soonest = held;
  }
  const source = chooseByWeight(free, ({ address }) => address, key);
  if (source) return { kind: 'source', source };
  if (!soonest) throw new Error('a source is chosen from at least one');
  return { kind: 'held', ...soonest };
}

/** Whether this machine can send from the address. On Linux all of 127/8 is the loopback's, though only 127.0.0.1 is listed. */
export function usableHere(
  { address }: Pick<Source, 'address'>,
  interfaces: NodeJS.Dict<NetworkInterfaceInfo[]> = networkInterfaces(),
): boolean {
  if (process.platform === 'linux' && address.startsWith('127.')) return true;
  return Object.values(interfaces).some((addresses) => addresses?.some((own) => own.address === address));
}

/** Adds a source, or changes it; true when it is new. Throws RouteRefused. */
export async function addSource(database: Database, source: queries.NewSource): Promise<boolean> {
  const address = readAddress(source.address);
  const publicAddress = source.publicAddress && readAddress(source.publicAddress);
  const heloName = readHostName(source.heloName);
  const pool = checkName(source.pool, 'pool');
  if (heloName === null)
    throw new RouteRefused(
      `"${source.heloName}" is no host name: write what the source says in EHLO, such as mail-1.example.com.`,
    );
  return database.withSystem(async (tx) => {
    await queries.ensurePool(tx, pool);
    return queries.upsertSource(tx, { address, publicAddress, heloName, pool, weight: source.weight });
  });
}

export async function findSource(database: Database, text: string): Promise<queries.SourceRow> {
  const address = readAddress(text);
  const found = await database.withSystem((tx) => queries.findSource(tx, address));
  return found ?? noSuchSource(address);
}

/** Its ramps go with it. */
export async function removeSource(database: Database, text: string): Promise<void> {
  const address = readAddress(text);
  const removed = await database.withSystem((tx) => queries.deleteSource(tx, address));
  if (!removed) noSuchSource(address);
}

/** Starts a source's ramp at a provider, or changes it. Throws RouteRefused. */
export async function setWarmUp(database: Database, address: string, warmUp: WarmUp): Promise<void> {
  checkWarmUp(warmUp);
  const { address: known } = await findSource(database, address);
  await database.withSystem((tx) => queries.upsertWarmUp(tx, known, warmUp));
}

/** The source is warm at the provider. Throws RouteRefused. */
export async function endWarmUp(database: Database, text: string, provider: string): Promise<void> {
  const address = readAddress(text);
  const found = await database.withSystem((tx) => queries.deleteWarmUp(tx, address, provider));
  if (!found)
    throw new RouteRefused(
      `The source ${address} has no warm-up for "${provider}": see \`camp source list\`.`,
      'not-found',
    );
}

/** Postgres brings it into the form in which Node writes it too. Throws RouteRefused. */
function readAddress(text: string): string {
  if (isIP(text) !== 0 && !text.includes('%')) return text;
  throw new RouteRefused(`"${text}" is no IP address: write one such as 192.0.2.10 or 2001:db8::10.`);
}

function noSuchSource(address: string): never {
  throw new RouteRefused(`There is no source ${address}: see \`camp source list\`.`, 'not-found');
}
