/**
 * Five bugs, planted one at a time in a copy of the program: the checker must catch each. And the same crash with the
 * program as it is must leave nothing to catch.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { CheckResult } from '../support/checker.ts';
import { createTestDatabase } from '../support/database.ts';
import { Rig } from '../support/rig.ts';
import { lockTable } from '../support/table-lock.ts';
import { type Change, changedCopy, SHORT_LEASE } from './copy.ts';

/** More than two workers have in hand, so that some are left for a third to claim. */
const RECIPIENTS = 150;
const CONNECTIONS = 4;
const FINISH_MS_MAX = 60_000;
/** What must not happen is given so long to happen. */
const NOTHING_MS = 1_500;

interface Plant {
  bug: string;
  changes: Change[];
  crash: (rig: Rig) => Promise<void>;
  sign: 'lost' | 'duplicates';
}

const PUMP = 'server/queue/pump.ts';
const QUEUE = 'server/queue/queries.ts';
const ADVANCE = 'server/campaigns/advance.ts';
const MARK = 'slot.dotSent = await this.#writer.mark(message);';

const PLANTS: Plant[] = [
  {
    bug: 'calls a message accepted before the relay said so',
    changes: [
      {
        file: PUMP,
        find: MARK,
        replace: `${MARK}
          if (slot.dotSent) this.#writer.settle({ message, from: 'committing', to: 'accepted', dueInMs: null, spent: false, toLane: null, event: null });`,
      },
      {
        file: PUMP,
        find: 'this.#settle(message, from, outcome, way.troubled);',
        replace: 'if (!slot.dotSent) this.#settle(message, from, outcome, way.troubled);',
      },
    ],
    crash: refuseAtTheDot,
    sign: 'lost',
  },
  {
    bug: 'writes without a fence',
    changes: [
      {
        file: QUEUE,
        find: `UPDATE message SET state = 'committing'`,
        replace: `UPDATE message SET state = 'committing', worker_id = \${of.workerId}, due_at = NULL`,
      },
      {
        file: QUEUE,
        find: ` AND worker_id IS NOT DISTINCT FROM \${of.workerId}::uuid AND attempt = \${of.attempt} AND state = 'claimed'`,
        replace: '',
      },
    ],
    crash: stopBeyondTheLease,
    sign: 'duplicates',
  },
  {
    bug: 'sends again what a dead worker had on the wire',
    changes: [
      {
        file: QUEUE,
        find: `WHEN state = 'committing' THEN 'uncertain' WHEN deferrals`,
        replace: 'WHEN deferrals',
      },
      { file: QUEUE, find: `due_at = CASE WHEN state = 'claimed' THEN now() END`, replace: 'due_at = now()' },
    ],
    crash: killWhileRepliesAreOwed,
    sign: 'duplicates',
  },
  {
    bug: 'moves the cursor of the freeze apart from the rows',
    changes: [
      {
        file: ADVANCE,
        find: `import type { Tx } from '../kernel/database.ts';`,
        replace: `import type { Tx } from '../kernel/database.ts';\nimport { sql } from '../kernel/sql.ts';`,
      },
      {
        file: ADVANCE,
        find: `    const done = await inWorkspace(job, async (tx) => {\n      await job.fence(tx);`,
        replace: `    const from = await inWorkspace(job, (tx) => moveCursor(tx, of));
    const done = await inWorkspace(job, async (tx) => {
      await tx.query(sql\`UPDATE campaign SET frozen_contact_id = \${from} WHERE id = \${of.campaignId}\`);
      await job.fence(tx);`,
      },
      {
        file: ADVANCE,
        find: 'function inWorkspace<T>',
        replace: `async function moveCursor(tx: Tx, of: CampaignKey): Promise<string> {
  const [row] = await tx.query<{ id: string }>(sql\`
    WITH before AS (SELECT frozen_contact_id AS id FROM campaign WHERE id = \${of.campaignId}),
    page AS (
      SELECT s.contact_id FROM subscription s, campaign c
      WHERE c.id = \${of.campaignId} AND s.list_id = c.list_ids[c.frozen_list_count + 1]
        AND s.contact_id > c.frozen_contact_id
      ORDER BY s.contact_id LIMIT \${FREEZE_ROWS}),
    moved AS (
      UPDATE campaign SET frozen_contact_id =
        coalesce((SELECT contact_id FROM page ORDER BY contact_id DESC LIMIT 1), frozen_contact_id)
      WHERE id = \${of.campaignId})
    SELECT id FROM before\`);
  return row?.id ?? '';
}

function inWorkspace<T>`,
      },
    ],
    crash: killInTheFreeze,
    sign: 'lost',
  },
  {
    bug: 'makes its mark after the dot',
    changes: [{ file: PUMP, find: MARK, replace: 'slot.dotSent = true; void this.#writer.mark(message);' }],
    crash: killWhileMarksCannotBeMade,
    sign: 'duplicates',
  },
];

for (const { bug, changes, crash, sign } of PLANTS) {
  test(`a worker that ${bug} is caught`, async () => {
    const result = await runCopy([...SHORT_LEASE, ...changes], crash);
    assert.ok(result[sign] > 0, `${sign} 0: ${result.violations.join('\n')}`);
    assert.notDeepEqual(result.violations, []);
  });
  test(`nobody is lost or written to twice where a worker that ${bug} would do it`, async () => {
    const result = await runCopy(SHORT_LEASE, crash);
    assert.deepEqual(result.violations, []);
    assert.partialDeepStrictEqual(result, { lost: 0, duplicates: 0, misreported: 0, sumsOk: true });
    assert.equal(result.zombieWrites > 0, crash === stopBeyondTheLease);
  });
}

test('a worker that was declared dead claims nothing any more', async () => {
  const result = await runCopy(SHORT_LEASE, stopWithWorkLeft);
  assert.deepEqual(result.violations, []);
});

async function runCopy(
  changes: Change[],
  crash: (rig: Rig) => Promise<void>,
): Promise<CheckResult & { zombieWrites: number }> {
  await using cleanup = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'camp-planted-'));
  cleanup.defer(() => rm(folder, { recursive: true }));
  const { directUrl, drop } = await createTestDatabase();
  cleanup.defer(drop);
  const root = await changedCopy(folder, changes);
  const rig = await Rig.start({ databaseUrl: directUrl, folder, recipients: RECIPIENTS, root });
  cleanup.defer(() => rig.stop());
  await crash(rig);
  // A bug may well keep a campaign from its end.
  const seen = async () => (await rig.sink.report()).duplicates > 0 || (await rig.hasFinished());
  await rig.waitFor(FINISH_MS_MAX, seen);
  return { ...(await rig.check(2 * CONNECTIONS)), zombieWrites: await rig.zombieWrites() };
}

async function refuseAtTheDot(rig: Rig): Promise<void> {
  await rig.sink.behave({ refuseAtDot: 0.5 });
  await rig.installation.startWorker(CONNECTIONS);
  await rig.sendCampaign();
  await rig.sink.accepted(RECIPIENTS / 4);
  await rig.sink.behave({ refuseAtDot: 0 });
}

async function killWhileRepliesAreOwed(rig: Rig): Promise<void> {
  await rig.sink.behave({ repliesMax: 0 });
  const worker = await rig.installation.startWorker(CONNECTIONS);
  await rig.sendCampaign();
  await rig.sink.accepted(CONNECTIONS);
  await worker.end('SIGKILL');
  await goOn(rig);
}

/** What waits for a mark when the worker dies was never marked, and may be sent by another. */
async function killWhileMarksCannotBeMade(rig: Rig): Promise<void> {
  await rig.sink.behave({ repliesMax: 0 });
  const worker = await rig.installation.startWorker(CONNECTIONS);
  await rig.sendCampaign();
  await rig.sink.accepted(CONNECTIONS);
  const lock = await lockTable(rig.database.url, 'message', 'SHARE');
  await rig.sink.behave({ repliesMax: Number.POSITIVE_INFINITY });
  await Promise.race([rig.sink.accepted(2 * CONNECTIONS), sleep(NOTHING_MS)]);
  await worker.end('SIGKILL');
  await lock.releaseDead();
  await goOn(rig);
}

async function killInTheFreeze(rig: Rig): Promise<void> {
  const lock = await lockTable(rig.database.url, 'message', 'SHARE');
  const worker = await rig.installation.startWorker(CONNECTIONS);
  await rig.sendCampaign();
  await lock.waitedFor();
  await worker.end('SIGKILL');
  await lock.releaseDead();
  await goOn(rig);
}

/** While the worker was stopped, another one sent what it has in hand. */
async function stopBeyondTheLease(rig: Rig): Promise<void> {
  await goOnUnknowing(rig, RECIPIENTS - 5 * CONNECTIONS);
}

/** While the worker was stopped, little was sent: enough is left that it must not claim. */
async function stopWithWorkLeft(rig: Rig): Promise<void> {
  await goOnUnknowing(rig, 2 * CONNECTIONS);
}

/** The stopped worker is declared dead; when it goes on, it cannot learn of that for a while. */
async function goOnUnknowing(rig: Rig, repliesMax: number): Promise<void> {
  await rig.sink.behave({ repliesMax: 0 });
  const stopped = await rig.installation.startWorker(CONNECTIONS);
  await rig.sendCampaign();
  await rig.sink.accepted(CONNECTIONS);
  stopped.signal('SIGSTOP');
  await rig.sink.behave({ repliesMax });
  const other = await rig.installation.startWorker(CONNECTIONS);
  const [{ accepted }] = await Promise.all([
    rig.sink.accepted(repliesMax + CONNECTIONS),
    other.logged('worker_recovered'),
  ]);
  const lock = await lockTable(rig.database.url, 'worker', 'ACCESS EXCLUSIVE');
  stopped.signal('SIGCONT');
  await Promise.race([rig.sink.accepted(accepted + 1), sleep(NOTHING_MS)]);
  await lock.release();
  await rig.sink.behave({ repliesMax: Number.POSITIVE_INFINITY });
}

/** The relay answers again, and another worker takes over. */
async function goOn(rig: Rig): Promise<void> {
  await rig.sink.behave({ repliesMax: Number.POSITIVE_INFINITY });
  await rig.installation.startWorker(CONNECTIONS);
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
