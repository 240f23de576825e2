/** Freeze: a list becomes messages, by the step that the job runs, with nobody sending meanwhile. */
import { advanceCampaign } from '../server/campaigns/advance.ts';
import { sendCampaign } from '../server/campaigns/campaign.ts';
import { createCampaign } from '../server/campaigns/draft.ts';
import { campaignStatus } from '../server/campaigns/status.ts';
import { type Bench, type Report, scaled } from './bench.ts';
import { createDatabase } from './database.ts';
import { SENDER, TEMPLATE } from './sample-mail.ts';

const ROWS = 1_000_000;

export async function benchFreeze(bench: Bench): Promise<Report> {
  const rows = scaled(bench, ROWS);
  bench.say(`making ${rows} subscribers`);
  await using made = await createDatabase(bench, rows);
  const { database, workspaceId, listId } = made;
  const campaign = { name: 'Bench', listIds: [listId], from: SENDER, template: TEMPLATE };
  const campaignId = await createCampaign(database, workspaceId, campaign);
  await sendCampaign(database, { workspaceId, campaignId });
  bench.say('freezing them');
  const startedAt = performance.now();
  // The job's own fence needs a claimed job; everything else is as in the job.
  const fence = async () => {};
  const job = { scope: bench.scope, database, workspaceId, key: campaignId, args: {}, failures: 0, fence };
  await advanceCampaign(job);
  const seconds = (performance.now() - startedAt) / 1_000;
  const { counts } = await campaignStatus(database, { workspaceId, campaignId }, 'rows');
  if (counts.queued !== rows) throw new Error(`Of ${rows} subscribers not all are queued: ${counts.queued}.`);
  const json = { freeze_rows: rows, freeze_rows_per_s: Math.round(rows / seconds) };
  return {
    table: [
      ['rows', rows],
      ['rows/s', json.freeze_rows_per_s],
    ],
    json,
  };
}
