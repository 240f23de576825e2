/** A campaign with a speed cap, claimed by several workers at once. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { advanceOnce } from '../../test/support/advance.ts';
import { makeCampaign, type TestCampaign, until } from '../../test/support/campaign.ts';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { sendCampaign } from '../campaigns/campaign.ts';
import type { DueMessage } from '../delivery/deliver.ts';
import { newId } from '../kernel/ids.ts';
import { ClaimLoop, type LaneReader } from '../kernel/lanes.ts';
import { createLog } from '../kernel/log.ts';
import * as kernelQueries from '../kernel/queries.ts';
import { Scope } from '../kernel/scope.ts';
import { sql } from '../kernel/sql.ts';
import { claim, LaneHints } from './claim.ts';
import { earliestDueMessage } from './queries.ts';
import { release } from './settlement.ts';
import { Writer } from './writer.ts';

const OTHER_LANE = 7;
const log = createLog('silent');

let db: TestDatabase;

before(async () => {
  db = await createTestDatabase();
});
after(() => db.drop());

/** Ready to be sent, with messages in two lanes, one of which may go. */
async function campaignThatMaySendOne(): Promise<TestCampaign> {
  const campaign = await makeCampaign(db.database, 20);
  const { workspaceId, campaignId } = campaign;
  await sendCampaign(db.database, campaign, { maxPerHour: 60 });
  await advanceOnce(db.database, campaign);
  await db.database.withWorkspace(workspaceId, async (tx) => {
    await tx.query(sql`UPDATE message SET lane = ${OTHER_LANE} WHERE email < 'p15'`);
    const lane = { workspaceId, queue: 'message', key: campaignId, number: OTHER_LANE } as const;
    await kernelQueries.ensureLane(tx, { ...lane, open: true, dueInMs: 0 });
    await tx.query(sql`UPDATE lane_gate SET spent_until = now() - interval '60 s'`);
  });
  return campaign;
}

interface ClaimingWorker {
  id: string;
  claimed: DueMessage[];
  looks: number;
  loop: ClaimLoop<DueMessage>;
}

function claimingWorker(id: string): ClaimingWorker {
  const hints = new LaneHints();
  const worker = { id, claimed: [] as DueMessage[], looks: 0 };
  const reader: LaneReader<DueMessage> = {
    queue: 'message',
    workerId: id,
    free: () => 100,
    turn: (_, free) => free,
    look: async () => {
      worker.looks += 1;
    },
    claim: (tx, lane, limit) => claim(tx, lane, { workerId: id, limit, shard: 1, hints }),
    earliestDue: (tx, lane) =>
      earliestDueMessage(tx, { workspaceId: lane.workspaceId, campaignId: lane.key, lane: lane.number }),
    accept: (messages) => worker.claimed.push(...messages),
    releaseLost: async () => {},
  };
  return Object.assign(worker, { loop: new ClaimLoop({ database: db.database, log, reader }) });
}

async function startWorker(): Promise<string> {
  const id = newId();
  await db.database.withSystem((tx) =>
    kernelQueries.insertWorker(tx, { id, host: 'test', pid: 1, leaseMs: 60_000 }),
  );
  return id;
}

async function lanesServed({ workspaceId, campaignId }: TestCampaign): Promise<number> {
  const rows = await db.database.withWorkspace(workspaceId, (tx) =>
    tx.query(sql`SELECT FROM lane WHERE key = ${campaignId} AND served_at > '-infinity'`),
  );
  return rows.length;
}

test('three workers take together what the cap allows, and a lane that got nothing keeps its turn', async () => {
  const campaign = await campaignThatMaySendOne();
  await using scope = Scope.root('claims');
  const workers = await Promise.all(
    Array.from({ length: 3 }, async () => claimingWorker(await startWorker())),
  );
  const runs = workers.map(({ loop }) => loop.run(scope));
  const claimed = () => workers.flatMap((worker) => worker.claimed);
  await until(async () => claimed().length > 0, 'a claim');
  const looks = workers.map((worker) => worker.looks);
  await until(
    async () => workers.every((worker, index) => worker.looks > (looks[index] ?? 0) + 1),
    'further looks',
  );
  scope.cancel('done');
  await Promise.all(runs);
  assert.equal(claimed().length, 1);
  assert.equal(await lanesServed(campaign), 1);
});

test('a message that was given back unsent is not counted: another one may go in its place', async () => {
  const campaign = await campaignThatMaySendOne();
  const lane = async () => {
    const lanes = await db.database.withSystem((tx) => kernelQueries.dueLanes(tx, 'message', null, 1_000));
    return lanes.find(({ key }) => key === campaign.campaignId);
  };
  await using scope = Scope.root('claims');
  const worker = claimingWorker(await startWorker());
  const run = worker.loop.run(scope);
  await until(async () => worker.claimed.length > 0, 'a claim');
  scope.cancel('done');
  await run;
  assert.equal(await lane(), undefined);
  const [message] = worker.claimed;
  assert.ok(message);
  await using writing = Scope.root('writer');
  const writer = new Writer({ database: db.database, log, workerId: worker.id });
  const written = writer.run(writing);
  writer.settle(release(message, 'claimed', 0));
  await writer.flushed();
  writing.cancel('done');
  await written;
  assert.equal((await lane())?.paced, true);
});
