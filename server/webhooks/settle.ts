/**
 * What an attempt means, in one transaction: the delivery's state, the endpoint's health, and when it is too much its end.
 *
 * 410 disables at once: the receiver says that it is gone. So does an endpoint that has failed for five days without one
 * success, after ten tries at least, so that a quiet endpoint is not judged by one. The workspace's audit log says so.
 */
import { audit } from '../accounts/audit.ts';
import { operator } from '../accounts/principal.ts';
import type { Tx } from '../kernel/database.ts';
import { type Attempt, isSuccess } from './attempt.ts';
import { disableEndpoint, type EndpointKey } from './queries.ts';
import * as queries from './queries-deliveries.ts';
import { STEPS_MS, waitMs } from './schedule.ts';

const FAILING_MS_MAX = 5 * 86_400_000;
const GONE = 410;

export interface Settled extends queries.DeliveryFence {
  endpointId: string;
  /** Before this attempt. */
  tries: number;
}

/** False: the delivery is another worker's by now, and nothing was written. */
export async function settle(tx: Tx, delivery: Settled, attempt: Attempt): Promise<boolean> {
  const { workspaceId, endpointId } = delivery;
  const of = { workspaceId, endpointId };
  const isDelivered = isSuccess(attempt.status);
  const isOver = isDelivered || attempt.status === GONE;
  const dueInMs = isOver ? null : waitMs(delivery.tries + 1);
  if (!(await queries.settleDelivery(tx, delivery, { isDelivered, dueInMs, attempt }))) return false;
  if (isDelivered) await queries.endpointWorks(tx, of);
  else await judge(tx, of, attempt.status);
  return true;
}

async function judge(tx: Tx, of: EndpointKey, status: number | null): Promise<void> {
  const fails = await queries.endpointFails(tx, of);
  if (!fails) return;
  const isFailing = fails.failingMs >= FAILING_MS_MAX && fails.failures >= STEPS_MS.length;
  const why = status === GONE ? 'gone' : isFailing ? 'failing' : null;
  if (why === null || !(await disableEndpoint(tx, of, why))) return;
  await audit(tx, operator(of.workspaceId), {
    action: 'webhook.disabled',
    subject: `webhook/${of.endpointId}`,
    after: { why, failures: fails.failures },
  });
}
