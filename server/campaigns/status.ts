/** A campaign as a screen or a script sees it: its state, its audience, and where every message of it is. */
import type { Database } from '../kernel/database.ts';
import { MESSAGE_STATES, type MessageState } from '../queue/states.ts';
import { campaignCounts, campaignRowCounts } from '../stats/counters.ts';
import { CampaignRefused } from './campaign.ts';
import * as queries from './queries.ts';

export interface CampaignStatus {
  campaign: queries.CampaignRow;
  /** Every state, also those with no message: they add up to the audience. */
  counts: Record<MessageState, number>;
  /** Why it waits, when a route is in trouble. */
  routes: queries.RouteRow[];
}

/** `from: 'rows'` counts the messages themselves, `'counters'` adds up what the queue's transactions kept. */
export function campaignStatus(
  database: Database,
  of: queries.CampaignKey,
  from: 'rows' | 'counters' = 'counters',
): Promise<CampaignStatus> {
  return database.readWorkspace(of.workspaceId, async (tx) => {
    const campaign = await queries.findCampaign(tx, of);
    if (!campaign)
      throw new CampaignRefused(
        `There is no campaign ${of.campaignId} in this workspace. List them with \`camp campaign list\`.`,
      );
    const counted = await (from === 'rows' ? campaignRowCounts(tx, of) : campaignCounts(tx, of));
    const counts = Object.fromEntries(MESSAGE_STATES.map((state) => [state, counted[state] ?? 0]));
    return {
      campaign,
      counts: counts as Record<MessageState, number>,
      routes: await queries.troubledRoutes(tx, of.workspaceId),
    };
  });
}
