/** What cannot be done with a campaign, as one sentence for the user. */
import type { Tx } from '../kernel/database.ts';
import * as queries from './queries.ts';
import type { CampaignState } from './states.ts';

/** A verb that the campaign's state or its plan does not allow, or a campaign that is not there. */
export class CampaignRefused extends Error {
  override readonly name = 'CampaignRefused';
}

export async function findOrRefuse(tx: Tx, of: queries.CampaignKey): Promise<queries.CampaignRow> {
  const campaign = await queries.findCampaign(tx, of);
  if (!campaign)
    throw new CampaignRefused(
      `There is no campaign ${of.campaignId} in this workspace. List them with \`camp campaign list\`.`,
    );
  return campaign;
}

export function refusedInState(
  campaign: queries.CampaignRow,
  verb: string,
  from: CampaignState[],
): CampaignRefused {
  return new CampaignRefused(
    `Campaign "${campaign.name}" (${campaign.id}) is ${campaign.state} and cannot be ${verb}: that is possible while it is ${from.join(' or ')}.`,
  );
}
