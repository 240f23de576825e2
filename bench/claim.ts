/**
 * Claims: how long taking 500 messages takes, by how many are queued and by how many were taken before. Nothing vacuums
 * meanwhile, so that a claim late in a campaign meets all the dead index entries of those before it.
 */
import { createCampaign } from '../server/campaigns/campaign.ts';
import { newId } from '../server/kernel/ids.ts';
import { claim, LaneHints } from '../server/queue/claim.ts';
import { type Bench, type Report, scaled } from './bench.ts';
import { type BenchDatabase, createDatabase, ranges } from './database.ts';
import * as queries from './queries.ts';
import { SENDER, TEMPLATE } from './sample-mail.ts';
import { rounded } from './send.ts';

const QUEUED = [10_000, 100_000, 1_000_000, 5_000_000];
/** Contacts behind the messages; those beyond have none, which costs a claim the same look-ups. */
const CONTACTS = 1_000_000;
const ROWS_PER_CLAIM = 500;
const CLAIMS = 200;
const CLAIMED_BEFORE = 500_000;

interface Measured {
  queued: number;
  claimed_before: number;
  claims: number;
  p50_ms: number;
  p99_ms: number;
  max_ms: number;
}

export async function benchClaim(bench: Bench): Promise<Report> {
  bench.say('making contacts');
  await using made = await createDatabase(bench, scaled(bench, CONTACTS));
  await made.database.withOwner((tx) => queries.keepDeadMessages(tx));
  const measured: Measured[] = [];
  for (const queued of QUEUED.map((full) => scaled(bench, full)))
    measured.push(...(await measureSize(bench, made, queued)));
  const rows = measured.map((row) => [row.queued, row.claimed_before, row.claims, row.p50_ms, row.p99_ms, row.max_ms]);
  const header = ['queued', 'claimed before', 'claims of 500', 'p50 ms', 'p99 ms', 'max ms'];
  return { table: [header, ...rows], json: { claim: measured } };
}

/** A small queue is empty before there are enough claims: then further campaigns of its size follow. */
async function measureSize(bench: Bench, made: BenchDatabase, queued: number): Promise<Measured[]> {
  bench.say(`queueing ${queued} messages`);
  const fresh: number[] = [];
  let campaignId = '';
  while (fresh.length < CLAIMS) {
    campaignId = await queueCampaign(made, queued);
    fresh.push(...(await timeClaims(made, campaignId, Math.min(CLAIMS - fresh.length, queued / ROWS_PER_CLAIM))));
  }
  const measured = [summary(queued, 0, fresh)];
  const before = scaled(bench, CLAIMED_BEFORE);
  if (queued < 2 * before) return measured;
  await timeClaims(made, campaignId, before / ROWS_PER_CLAIM - CLAIMS);
  return [...measured, summary(queued, before, await timeClaims(made, campaignId, CLAIMS))];
}

async function queueCampaign({ database, workspaceId, listId }: BenchDatabase, queued: number): Promise<string> {
  const campaign = { name: 'Bench', listIds: [listId], from: SENDER, template: TEMPLATE };
  const campaignId = await createCampaign(database, workspaceId, campaign);
  for (const range of ranges(queued))
    await database.withWorkspace(workspaceId, (tx) => queries.insertDueMessages(tx, workspaceId, campaignId, range));
  return campaignId;
}
