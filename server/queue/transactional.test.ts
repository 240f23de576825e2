import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { makeCampaign, startTestSink, startTestWorker, until } from '../../test/support/campaign.ts';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import type { Sink } from '../../test/support/sink.ts';
import { ensureWorkspace } from '../accounts/workspaces.ts';
import { sendCampaign } from '../campaigns/campaign.ts';
import { campaignPage } from '../campaigns/queries.ts';
import { newId } from '../kernel/ids.ts';
import { sql } from '../kernel/sql.ts';
import { enqueueTransactional, MailRefused, type TransactionalMail } from './transactional.ts';

let db: TestDatabase;
let sink: Sink;
const workspaceId = newId();

before(async () => {
  db = await createTestDatabase();
  sink = await startTestSink();
  await ensureWorkspace(db.database, workspaceId, 'shop');
});
after(async () => {
  await sink.stop();
  await db.drop();
});

function mailTo(email: string, changes: Partial<TransactionalMail> = {}): TransactionalMail {
  const from = { name: 'Shop', email: 'shop@acme.example' };
  return { workspaceId, from, to: { email }, subject: `For ${email}`, text: 'Hello', ...changes };
}

function queue(mail: TransactionalMail): Promise<string> {
  return db.database.withWorkspace(mail.workspaceId, (tx) => enqueueTransactional(tx, mail));
}

async function stateOf(id: string): Promise<string | undefined> {
  const [row] = await db.database.withWorkspace(workspaceId, (tx) =>
    tx.query<{ state: string }>(sql`SELECT state FROM message WHERE contact_id = ${id}`),
  );
  return row?.state;
}

test('a message of its own is sent once, however often it was queued, and to nobody who is suppressed', async (t) => {
  const id = newId();
  assert.equal(await queue(mailTo('ann@city.example', { id })), id);
  assert.equal(await queue(mailTo('ann@city.example', { id })), id);
  await db.database.withWorkspace(workspaceId, (tx) =>
    tx.query(sql`INSERT INTO suppression (workspace_id, email, reason)
      VALUES (${workspaceId}, 'gone@city.example', 'hard_bounce')`),
  );
  const gone = await queue(mailTo('gone@city.example'));
  const worker = startTestWorker(db.url, sink.smtpUrl);
  t.after(() => worker.drain());
  await until(async () => (await stateOf(id)) === 'accepted', 'it is accepted');
  await until(async () => (await stateOf(gone)) === 'suppressed', 'it is suppressed');
  const got = (await sink.records()).map(({ recipient }) => recipient);
  assert.deepEqual(
    got.filter((to) => /^(ann|gone)@/.test(to)),
    ['ann@city.example'],
  );
  const campaigns = await db.database.withWorkspace(workspaceId, (tx) =>
    campaignPage(tx, workspaceId, null, 10),
  );
  assert.deepEqual(campaigns, []);
});

test('a message that is queued in a transaction that fails is not there', async () => {
  const id = newId();
  const failing = db.database.withWorkspace(workspaceId, async (tx) => {
    await enqueueTransactional(tx, mailTo('bob@city.example', { id }));
    throw new Error('the charge failed');
  });
  await assert.rejects(failing, /the charge failed/);
  assert.equal(await stateOf(id), undefined);
  await assert.rejects(queue(mailTo('bob@city.example', { subject: 'a\nb' })), MailRefused);
});

test('a receipt does not wait behind a campaign', async (t) => {
  const campaign = await makeCampaign(db.database, 600);
  await sink.behave({ replyMs: [20, 40] });
  const worker = startTestWorker(db.url, sink.smtpUrl);
  t.after(() => worker.drain());
  await sendCampaign(db.database, campaign);
  await until(async () => (await sink.records()).length > 20, 'the campaign is being sent');
  const id = await queue(mailTo('receipt@city.example'));
  await until(async () => (await stateOf(id)) === 'accepted', 'the receipt is accepted');
  const records = await sink.records();
  const after = records.length - records.findIndex(({ recipient }) => recipient === 'receipt@city.example');
  assert.ok(records.length < 600, `it came when ${records.length} were through, ${after} after it`);
});
