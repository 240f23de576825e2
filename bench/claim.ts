/**
 * Claims: how long taking 500 messages takes, by how many are queued and by how many were taken before. Nothing vacuums
 * meanwhile, so that a claim late in a campaign meets all the dead index entries of those before it.
 */
import { createCampaign } from '../server/campaigns/draft.ts';
import { newId } from '../server/kernel/ids.ts';
import { claim, LaneHints } from '../server/queue/claim.ts';
import { type Bench, type Report, scaled } from './bench.ts';
import { type BenchDatabase, createDatabase, ranges } from './database.ts';
import { quantile, rounded } from './figures.ts';
import * as queries from './queries.ts';
import { SENDER, TEMPLATE } from './sample-mail.ts';

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
  const rows = measured.map((row) => [
    row.queued,
    row.claimed_before,
    row.claims,
    row.p50_ms,
    row.p99_ms,
    row.max_ms,
  ]);
  const header = ['queued', 'claimed before', 'claims of 500', 'p50 ms', 'p99 ms', 'max ms'];
  return { table: [header, ...rows], json: { claim: measured } };
}

/** A small queue is empty before there are enough claims: then further campaigns of its size follow. */
async function measureSize(bench: Bench, made: BenchDatabase, queued: number): Promise<Measured[]> {
  bench.say(`queueing ${queued} messages`);
  const fresh: number[] = [];
  let queue = await fillQueue(made, queued);
  while (fresh.length < CLAIMS) {
    if (fresh.length > 0) queue = await fillQueue(made, queued);
    fresh.push(...(await timeClaims(queue, Math.min(CLAIMS - fresh.length, queued / ROWS_PER_CLAIM))));
  }
  const measured = [summary(queued, 0, fresh)];
  const before = Math.max(CLAIMS * ROWS_PER_CLAIM, scaled(bench, CLAIMED_BEFORE));
  if (queued < 2 * before) return measured;
  bench.say(`claiming ${before} of them`);
  await timeClaims(queue, before / ROWS_PER_CLAIM - CLAIMS);
  return [...measured, summary(queued, before, await timeClaims(queue, CLAIMS))];
}

interface Queue {
  made: BenchDatabase;
  campaignId: string;
  hints: LaneHints;
}

async function fillQueue(made: BenchDatabase, queued: number): Promise<Queue> {
  const { database, workspaceId, listId } = made;
  const campaign = { name: 'Bench', listIds: [listId], from: SENDER, template: TEMPLATE };
  const campaignId = await createCampaign(database, workspaceId, campaign);
  for (const range of ranges(queued))
    await database.withWorkspace(workspaceId, (tx) =>
      queries.insertDueMessages(tx, workspaceId, campaignId, range),
    );
  return { made, campaignId, hints: new LaneHints() };
}

/** Milliseconds of each claim, without its commit: that is the disk's. */
async function timeClaims({ made, campaignId, hints }: Queue, claims: number): Promise<number[]> {
  const { database, workspaceId } = made;
  const lane = {
    workspaceId,
    queue: 'message',
    key: campaignId,
    number: 0,
    servedAt: '-infinity',
    paced: false,
  } as const;
  const of = { workerId: newId(), limit: ROWS_PER_CLAIM, shard: 1, hints };
  const tookMs: number[] = [];
  for (let i = 0; i < claims; i += 1)
    await database.withWorkspace(workspaceId, async (tx) => {
      const startedAt = performance.now();
      const { length } = await claim(tx, lane, of);
      tookMs.push(performance.now() - startedAt);
      if (length !== ROWS_PER_CLAIM)
        throw new Error(`A claim took ${length} rows instead of ${ROWS_PER_CLAIM}.`);
    });
  return tookMs;
}

function summary(queued: number, claimedBefore: number, tookMs: number[]): Measured {
  const at = (q: number) => rounded(quantile(tookMs, q), 2);
  return {
    queued,
    claimed_before: claimedBefore,
    claims: tookMs.length,
    p50_ms: at(0.5),
    p99_ms: at(0.99),
    max_ms: at(1),
  };
}
