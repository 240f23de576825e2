/**
 * Sending credits: one for each message that a mail server accepted. What was accepted is counted by the transactions that
 * move messages (stats/counters.ts); a job books what the counters have gained, so the ledger follows within a minute and
 * sending itself knows nothing of money: settling costs no row and no lock more, and the counters are exact at every
 * instant, so a booking is late and never wrong.
 *
 * At zero nothing new is begun: no message is queued over the API, no campaign is started, and one that was to start now
 * waits before its audience is frozen. What is queued is sent, and the balance may fall below zero by that much: by what a
 * campaign froze that was started with too few, and by what was queued since the last booking. What the operator mails about
 * invoices costs nobody anything.
 */
import { findCampaign } from '../campaigns/queries.ts';
import type { Config } from '../kernel/config.ts';
import type { Database, Tx } from '../kernel/database.ts';
import { DEFAULT_WORKSPACE_ID } from '../kernel/ids.ts';
import { enqueueJob, type JobHandler } from '../kernel/jobs.ts';
import { allWorkspaceIds } from '../kernel/queries.ts';
import { sellerOf } from './invoices.ts';
import { book } from './ledger.ts';
import * as queries from './queries-ledger.ts';

export const SPEND_JOB = 'credits.spend';

const EVERY_MS = 60_000;
const HELD_LOOK_MS = 10_000;
/** So long after a campaign has ended a bounce may still show that something was accepted. */
const LATE_DAYS = 60;

/** For whoever wants to send something new. */
export const OUT_OF_CREDITS =
  'The sending credits are spent: buy more, and send it then. What is queued already is sent.';

/** Whether something new may be sent. Without billing, always. */
export async function creditsAllow(
  tx: Tx,
  { billing }: Pick<Config, 'billing'>,
  workspaceId: string,
): Promise<boolean> {
  return billing === 'off' || (await balance(tx, workspaceId)) > 0n;
}

export function balance(tx: Tx, workspaceId: string): Promise<bigint> {
  return queries.balanceOf(tx, workspaceId, 'balance');
}

export function startSpending(database: Database): Promise<boolean> {
  return database.withWorkspace(DEFAULT_WORKSPACE_ID, (tx) =>
    enqueueJob(tx, DEFAULT_WORKSPACE_ID, { kind: SPEND_JOB, key: 'every workspace' }),
  );
}

/** Before these a campaign has begun nothing, or the next stage of it not. */
const BEFORE_FREEZING: readonly (string | undefined)[] = ['scheduled', 'starting'];

/** Of the job that drives a campaign: while there are no credits, no audience is frozen. */
export function holdAtZero(advance: JobHandler): JobHandler {
  return async (job) => {
    const { database, workspaceId } = job;
    const isHeld = await database.withWorkspace(workspaceId, async (tx) => {
      const campaign = await findCampaign(tx, { workspaceId, campaignId: job.key ?? '' });
      return BEFORE_FREEZING.includes(campaign?.state) && (await balance(tx, workspaceId)) <= 0n;
    });
    return isHeld ? { kind: 'again', afterMs: HELD_LOOK_MS } : advance(job);
  };
}

export const spend: JobHandler = async ({ database }) => {
  const workspaceIds = await database.withSystem((tx) => allWorkspaceIds(tx));
  for (const workspaceId of workspaceIds) await bookSpending(database, workspaceId);
  return { kind: 'again', afterMs: EVERY_MS };
};

/** Books once what the counters have gained since the last time, whoever does it at the same time. */
export function bookSpending(database: Database, workspaceId: string): Promise<void> {
  return database.withWorkspace(workspaceId, async (tx) => {
    const unbooked = await queries.unbookedSpending(tx, workspaceId, {
      days: LATE_DAYS,
      freeFrom: workspaceId === DEFAULT_WORKSPACE_ID ? (await sellerOf(tx)).email : null,
    });
    for (const { campaignId, accepted, booked } of unbooked) {
      // Named by where the last one ended: another process that books from there finds it taken.
      const source = `${campaignId} from ${booked}`;
      const credits = accepted - booked;
      const isNew = await book(tx, {
        workspaceId,
        kind: 'spend',
        source,
        from: 'balance',
        to: 'spent',
        credits,
      });
      if (isNew) await queries.setSpendingBooked(tx, workspaceId, campaignId, accepted);
    }
  });
}
