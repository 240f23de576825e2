/**
 * A campaign's breakdown: by mailbox provider, and refusals by the rule that judged them. A job adds it up from the messages
 * while the campaign is under way and once more when it has ended, so that no page has to; it says when that was. The job
 * rests for much longer than it works, however large the campaign is.
 */
import type { JobHandler } from '../kernel/jobs.ts';
import { hasUnfinished } from '../queue/queries.ts';
import { findCampaign } from './queries.ts';
import { countByDestination, countByRule, putBreakdown } from './queries-breakdown.ts';

export const BREAKDOWN_JOB = 'campaign.breakdown';

const AGAIN_MS_MIN = 5_000;
/** While it is paused or between two stages. */
const QUIET_MS = 60_000;
/** Of a million messages a look takes about a second. */
const REST_FACTOR = 30;
const ROWS_MAX = 50;
const ENDED: ReadonlySet<string> = new Set(['finished', 'cancelled', 'failed', 'draft']);

export const breakDown: JobHandler = async ({ database, workspaceId, key }) => {
  const of = { workspaceId, campaignId: key ?? '' };
  const startedAt = performance.now();
  const restMs = await database.withWorkspace(workspaceId, async (tx) => {
    const campaign = await findCampaign(tx, of);
    if (!campaign) return null;
    const isOver = ENDED.has(campaign.state) && !(await hasUnfinished(tx, of));
    const destinations = await countByDestination(tx, of, ROWS_MAX);
    const refusals = await countByRule(tx, of, ROWS_MAX);
    await putBreakdown(tx, of, { destinations, refusals });
    if (isOver) return null;
    return campaign.state === 'sending' || campaign.state === 'finishing' ? AGAIN_MS_MIN : QUIET_MS;
  });
  if (restMs === null) return { kind: 'done' };
  return { kind: 'again', afterMs: Math.max(restMs, REST_FACTOR * (performance.now() - startedAt)) };
};
