/**
 * Endpoints: whom a workspace tells, of what, and with which secret. Each verb is one transaction with its audit entry.
 *
 * A secret is shown when it is made and never again; it is kept sealed, because it signs. When it is replaced the old one
 * goes on signing beside the new one for a day.
 *
 * Events that happen while an endpoint is disabled are not kept for it; what waited for it fails when it is due, can be seen,
 * and can be replayed.
 */
import { audit } from '../accounts/audit.ts';
import type { Actor } from '../accounts/principal.ts';
import type { Tx } from '../kernel/database.ts';
import { newId } from '../kernel/ids.ts';
import { SealBroken, type Secrets } from '../kernel/secrets.ts';
import { type OwnNetworks, readUrl } from './destination.ts';
import { type EventType, TEST_EVENT_TYPE } from './event-types.ts';
import * as queries from './queries.ts';
import { newSecret } from './signature.ts';

const ENDPOINTS_MAX = 50;
/** Present and replaced ones: more would be signed with than a header should hold. */
const SECRETS_MAX = 4;
const ROTATION_MS = 24 * 3_600_000;
export const REPLAYED_AT_ONCE = 10_000;

/** It cannot be done as asked. One sentence for whoever asked. */
export class WebhookRefused extends Error {
  override readonly name = 'WebhookRefused';
  readonly reason: 'not-found' | 'conflict' | 'refused';

  constructor(reason: 'not-found' | 'conflict' | 'refused', message: string) {
    super(message);
    this.reason = reason;
  }
}

export interface Asking {
  tx: Tx;
  actor: Actor;
  /** Of the network, for the audit log. */
  address?: string | undefined;
}

export interface EndpointWish {
  url: string;
  events: readonly EventType[];
  description: string;
}

/** Throws WebhookRefused and UrlRefused. */
export async function createEndpoint(
  { tx, actor, address }: Asking,
  { secrets, own }: { secrets: Secrets; own: OwnNetworks },
  { url, events, description }: EndpointWish,
): Promise<{ endpoint: queries.EndpointRow; secret: string }> {
  const { workspaceId } = actor;
  await queries.lockEndpoints(tx, workspaceId);
  const all = await queries.allEndpoints(tx, workspaceId);
  if (all.length >= ENDPOINTS_MAX)
    throw new WebhookRefused('refused', `There are ${ENDPOINTS_MAX} endpoints already: delete one first.`);
  const of = { workspaceId, endpointId: newId() };
  const secret = newSecret();
  const wish = { url: readUrl(url, own), events: distinct(events), description };
  await queries.insertEndpoint(tx, { ...of, ...wish, secrets: [sealed(secrets, of, secret)] });
  const endpoint = await findEndpoint(tx, of);
  await audit(tx, actor, {
    action: 'webhook.created',
    subject: subjectOf(of),
    after: shown(endpoint),
    address,
  });
  return { endpoint, secret };
}

/** The oldest first. */
export function listEndpoints(tx: Tx, workspaceId: string): Promise<queries.EndpointRow[]> {
  return queries.allEndpoints(tx, workspaceId);
}

/** Throws WebhookRefused. */
export function findEndpoint(tx: Tx, of: queries.EndpointKey): Promise<queries.EndpointRow> {
  return existing(queries.findEndpoint(tx, of));
}

/** The newest first. Throws WebhookRefused. */
export async function listDeliveries(
  tx: Tx,
  of: queries.EndpointKey,
  page: queries.DeliveryPage,
): Promise<queries.DeliveryRow[]> {
  await findEndpoint(tx, of);
  return queries.deliveryPage(tx, of, page);
}

export interface EndpointChange extends Partial<EndpointWish> {
  enabled?: boolean;
}

/** Throws WebhookRefused and UrlRefused. */
export async function changeEndpoint(
  { tx, actor, address }: Asking,
  own: OwnNetworks,
  endpointId: string,
  { enabled, ...wish }: EndpointChange,
): Promise<queries.EndpointRow> {
  const of = { workspaceId: actor.workspaceId, endpointId };
  const before = await existing(queries.lockEndpoint(tx, of));
  const { url, events, description } = { ...before, ...wish };
  const isSame = url === before.url;
  await queries.updateEndpoint(tx, of, {
    url: isSame ? url : readUrl(url, own),
    events: distinct(events),
    description,
  });
  if (enabled === true) await queries.enableEndpoint(tx, of);
  if (enabled === false) await queries.disableEndpoint(tx, of, 'asked');
  const after = await findEndpoint(tx, of);
  const change = { before: shown(before), after: shown(after) };
  await audit(tx, actor, { action: 'webhook.changed', subject: subjectOf(of), ...change, address });
  return after;
}

/** Throws WebhookRefused. */
export async function deleteEndpoint({ tx, actor, address }: Asking, endpointId: string): Promise<void> {
  const of = { workspaceId: actor.workspaceId, endpointId };
  const before = await existing(queries.lockEndpoint(tx, of));
  await queries.deleteEndpoint(tx, of);
  await audit(tx, actor, {
    action: 'webhook.deleted',
    subject: subjectOf(of),
    before: shown(before),
    address,
  });
}

/** Throws WebhookRefused. */
export async function rotateSecret(
  { tx, actor, address }: Asking,
  secrets: Secrets,
  endpointId: string,
): Promise<{ secret: string; previousUntil: Date }> {
  const of = { workspaceId: actor.workspaceId, endpointId };
  const endpoint = await existing(queries.lockEndpoint(tx, of));
  const valid = endpoint.secrets.filter(isValid);
  if (valid.length >= SECRETS_MAX)
    throw new WebhookRefused(
      'conflict',
      `${SECRETS_MAX} secrets are valid already: one can be replaced again when the oldest has ended.`,
    );
  const previousUntil = new Date(Date.now() + ROTATION_MS);
  const older = valid.map((kept) => ({ ...kept, until: kept.until ?? previousUntil.toISOString() }));
  const secret = newSecret();
  await queries.setSecrets(tx, of, [sealed(secrets, of, secret), ...older]);
  await audit(tx, actor, { action: 'webhook.secret_rotated', subject: subjectOf(of), address });
  return { secret, previousUntil };
}

/** Those that sign now, the newest first; without those that were sealed with another CAMP_SECRET. */
export function openSecrets(
  secrets: Secrets,
  of: queries.EndpointKey,
  kept: readonly queries.KeptSecret[],
): string[] {
  return kept.filter(isValid).flatMap(({ id, sealed }) => {
    try {
      return [secrets.unseal(placeOf(of, id), sealed)];
    } catch (error) {
      if (error instanceof SealBroken) return [];
      throw error;
    }
  });
}

function isValid({ until }: queries.KeptSecret): boolean {
  return until === null || Date.parse(until) > Date.now();
}

function sealed(secrets: Secrets, of: queries.EndpointKey, secret: string): queries.KeptSecret {
  const id = newId();
  return { id, sealed: secrets.seal(placeOf(of, id), secret), until: null };
}

function placeOf({ workspaceId, endpointId }: queries.EndpointKey, secretId: string) {
  return { workspaceId, table: 'webhook_endpoint', column: 'secrets', rowId: `${endpointId} ${secretId}` };
}

/** To this endpoint alone, whatever it wants. Throws WebhookRefused. */
export async function sendTestEvent(tx: Tx, of: queries.EndpointKey): Promise<queries.DeliveryRow> {
  await requireEnabled(tx, of);
  const key = { ...of, deliveryId: newId() };
  await queries.insertDelivery(tx, key, TEST_EVENT_TYPE, { endpoint_id: of.endpointId });
  return findDelivery(tx, key);
}

/** Throws WebhookRefused. */
export async function findDelivery(tx: Tx, key: queries.DeliveryKey): Promise<queries.DeliveryRow> {
  const delivery = await queries.findDelivery(tx, key);
  if (!delivery) throw new WebhookRefused('not-found', 'There is no delivery with this id.');
  return delivery;
}

/** Under the same webhook-id, from the first step on. Throws WebhookRefused. */
export async function replayOne(tx: Tx, key: queries.DeliveryKey): Promise<queries.DeliveryRow> {
  await requireEnabled(tx, key);
  await findDelivery(tx, key);
  if (!(await queries.replayDelivery(tx, key)))
    throw new WebhookRefused('conflict', 'The delivery is on its way already.');
  return findDelivery(tx, key);
}

/** All that failed of what happened since then, so many at once; gives how many. Throws WebhookRefused. */
export async function replayFailed(
  { tx, actor, address }: Asking,
  endpointId: string,
  since: Date,
): Promise<number> {
  const of = { workspaceId: actor.workspaceId, endpointId };
  await requireEnabled(tx, of);
  const replayed = await queries.replayFailed(tx, of, since, REPLAYED_AT_ONCE);
  await audit(tx, actor, {
    action: 'webhook.replayed',
    subject: subjectOf(of),
    after: { since, replayed },
    address,
  });
  return replayed;
}

async function requireEnabled(tx: Tx, of: queries.EndpointKey): Promise<void> {
  const { disabledAt } = await findEndpoint(tx, of);
  if (disabledAt) throw new WebhookRefused('conflict', 'The endpoint is disabled: enable it first.');
}

async function existing(found: Promise<queries.EndpointRow | undefined>): Promise<queries.EndpointRow> {
  const endpoint = await found;
  if (!endpoint) throw new WebhookRefused('not-found', 'There is no webhook with this id.');
  return endpoint;
}

function subjectOf({ endpointId }: queries.EndpointKey): string {
  return `webhook/${endpointId}`;
}

/** For the audit log, which is never erased: the rest of a URL may hold a secret. */
function shown({ url, events, description, disabledAt }: queries.EndpointRow) {
  return { origin: new URL(url).origin, events, description, enabled: disabledAt === null };
}

function distinct<T>(all: readonly T[]): T[] {
  return [...new Set(all)];
}
