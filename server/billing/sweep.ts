/**
 * Once a day our payments and the provider's charges of the last two days are held against each other, in both directions,
 * by what was written down on each side. What is only late is looked at again; what differs is for a person, in the log:
 * a charge that we call failed, and a payment that we call paid and the provider does not. Charges of payments that are not
 * here belong to another installation on the same account. A provider that is away is asked again in an hour, for ever.
 */
import { DEFAULT_WORKSPACE_ID } from '../kernel/ids.ts';
import { enqueueJob, type JobHandler } from '../kernel/jobs.ts';
import { allWorkspaceIds } from '../kernel/queries.ts';
import type { Scope } from '../kernel/scope.ts';
import { EVENT_JOB } from './events.ts';
import type { Billing } from './phases.ts';
import type { SeenCharge } from './provider.ts';
import * as queries from './queries.ts';
import { isDecided } from './states.ts';

export const SWEEP_JOB = 'payment.sweep';

const DAY_MS = 86_400_000;
const AGAIN_MS = 3_600_000;
const WINDOW_MS = 2 * DAY_MS;
/** A payment that was decided since then may not be in a list that was begun before. */
const FRESH_MS = 600_000;
const PAGES_MAX = 1_000;
const EVENTS_KEPT_DAYS = 30;

export function startSweeping({ database }: Billing): Promise<boolean> {
  return database.withWorkspace(DEFAULT_WORKSPACE_ID, (tx) =>
    enqueueJob(tx, DEFAULT_WORKSPACE_ID, { kind: SWEEP_JOB, key: 'daily' }),
  );
}

export function sweep(billing: Billing): JobHandler {
  return async ({ scope }) => {
    const workspaceIds = await billing.database.withSystem((tx) => allWorkspaceIds(tx));
    for (const workspaceId of workspaceIds) await purgeEvents(billing, workspaceId);
    const succeeded = await chargesSince(billing, scope, new Date(Date.now() - WINDOW_MS));
    if (typeof succeeded === 'string') {
      billing.log.warn({ event: 'payment_sweep_put_off', error: succeeded });
      return { kind: 'again', afterMs: AGAIN_MS };
    }
    for (const charge of succeeded) await compareCharge(billing, charge);
    const refs = new Set(succeeded.map(({ ref }) => ref));
    for (const workspaceId of workspaceIds) await comparePayments(billing, workspaceId, refs);
    return { kind: 'again', afterMs: DAY_MS };
  };
}

/** Those of ours that succeeded; or why they cannot be read. */
async function chargesSince(billing: Billing, scope: Scope, since: Date): Promise<SeenCharge[] | string> {
  const found: SeenCharge[] = [];
  let before: string | null = null;
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const listed = await billing.provider.listSince(scope, since, before);
    if (listed.kind === 'unknown') return listed.error;
    if (listed.kind === 'rejected') return listed.message;
    found.push(...listed.charges.filter(({ owner, status }) => owner !== null && status === 'succeeded'));
    if (listed.next === null) return found;
    before = listed.next;
  }
  return `there are more than ${PAGES_MAX} pages of charges`;
}

async function compareCharge({ database, log }: Billing, { ref, owner }: SeenCharge): Promise<void> {
  if (!owner) return;
  const { workspaceId, paymentId } = owner;
  await database.withWorkspace(workspaceId, async (tx) => {
    const payment = await queries.findPayment(tx, { workspaceId, id: paymentId });
    if (!payment || (payment.state === 'succeeded' && payment.providerRef === ref)) return;
    const { state } = payment;
    if (isDecided(state))
      log.error({ event: 'charge_without_payment', charge: ref, payment: paymentId, state });
    await enqueueJob(tx, workspaceId, { kind: EVENT_JOB, key: `sweep ${ref}`, args: { paymentId } });
  });
}

function purgeEvents({ database }: Billing, workspaceId: string): Promise<unknown> {
  return database.withWorkspace(workspaceId, (tx) =>
    queries.deleteOldEvents(tx, workspaceId, EVENTS_KEPT_DAYS),
  );
}

async function comparePayments(
  { database, log }: Billing,
  workspaceId: string,
  refs: Set<string>,
): Promise<void> {
  await database.withWorkspace(workspaceId, async (tx) => {
    const paid = await queries.succeededCharges(tx, workspaceId, WINDOW_MS - FRESH_MS, FRESH_MS);
    for (const { id, providerRef } of paid)
      if (!refs.has(providerRef))
        log.error({ event: 'payment_without_charge', payment: id, charge: providerRef });
  });
}
