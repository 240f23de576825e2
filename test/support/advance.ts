/** Runs a campaign's own job by hand, so that a test decides when what happens. */
import { advanceCampaign } from '../../server/campaigns/advance.ts';
import type { Database } from '../../server/kernel/database.ts';
import type { JobOutcome } from '../../server/kernel/jobs.ts';
import { Scope } from '../../server/kernel/scope.ts';
import type { TestCampaign } from './campaign.ts';

/** `fence`: what happens just before a chunk. */
export async function advanceOnce(
  database: Database,
  campaign: TestCampaign,
  fence: () => Promise<void> = async () => {},
): Promise<JobOutcome> {
  await using scope = Scope.root('advance');
  return await advanceCampaign({
    scope,
    database,
    workspaceId: campaign.workspaceId,
    key: campaign.campaignId,
    args: {},
    failures: 0,
    fence,
  });
}
