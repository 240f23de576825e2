/**
 * What the provider posts to us. The signature is checked over the bytes as they came; the event is kept once, with the job
 * that looks at its payment, in one transaction; then it is taken. Events come twice, late and out of order, so what one
 * says is not believed: it is a reason to ask.
 */
import { enqueueJob } from '../kernel/jobs.ts';
import { DISPUTES_WORKSPACE_ID } from './differences.ts';
import type { Billing } from './phases.ts';
import type { ProviderEvent } from './provider.ts';
import * as queries from './queries.ts';

/** Its key is the event's id. */
export const EVENT_JOB = 'payment.event';

/** False: the signature is not the provider's; nothing was kept. */
export async function takeEvent(billing: Billing, body: Buffer, signature: string): Promise<boolean> {
  const { database, provider } = billing;
  const event = provider.readEvent(body, signature);
  if (!event) return false;
  if (event.disputeOf !== null) await keepDispute(billing, event, event.disputeOf, body);
  if (!event.owner) return true;
  const { workspaceId, paymentId } = event.owner;
  await database.withWorkspace(workspaceId, async (tx) => {
    // Another installation's, on the same account.
    if (!(await queries.findPayment(tx, { workspaceId, id: paymentId }))) return;
    if (!(await queries.insertEvent(tx, workspaceId, event, body))) return;
    await enqueueJob(tx, workspaceId, { kind: EVENT_JOB, key: event.id, args: { paymentId } });
  });
  return true;
}

async function keepDispute(
  { database }: Billing,
  event: ProviderEvent,
  disputeOf: string,
  body: Buffer,
): Promise<void> {
  await database.withWorkspace(DISPUTES_WORKSPACE_ID, async (tx) => {
    if (!(await queries.insertEvent(tx, DISPUTES_WORKSPACE_ID, event, body))) return;
    await enqueueJob(tx, DISPUTES_WORKSPACE_ID, { kind: EVENT_JOB, key: event.id, args: { disputeOf } });
  });
}
