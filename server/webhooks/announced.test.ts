/** Every type of event is announced by what makes it happen, once, in its transaction. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { newWorkspace } from '../../test/support/accounts.ts';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { newInvoice } from '../../test/support/invoices.ts';
import { deliveriesOf, newEndpoint } from '../../test/support/webhooks.ts';
import { changeSubscription, changeSubscriptions, deleteList, findOrCreateList } from '../audience/lists.ts';
import { finishImport } from '../audience/queries.ts';
import { issueInvoice } from '../billing/invoices.ts';
import { movePayment } from '../billing/queries.ts';
import { moveState } from '../campaigns/queries.ts';
import type { CampaignState } from '../campaigns/states.ts';
import type { Tx } from '../kernel/database.ts';
import { newId } from '../kernel/ids.ts';
import { loadSecrets } from '../kernel/secrets.ts';
import { sql } from '../kernel/sql.ts';
import { recordEvents } from '../outcomes/record.ts';
import { holdCampaign } from '../queue/queries.ts';
import { MESSAGE_STATES } from '../queue/states.ts';
import { activatePending } from '../senders/queries.ts';
import { EVENT_TYPES, type EventType } from './event-types.ts';
import type { EndpointKey } from './queries.ts';

let db: TestDatabase;
let workspaceId: string;
/** Of an endpoint that wants everything. */
let of: EndpointKey;
const heard = new Set<string>();

before(async () => {
  db = await createTestDatabase();
});
after(() => db.drop());
beforeEach(async () => {
  workspaceId = await newWorkspace(db.database);
  const secrets = await loadSecrets(db.database, 'a secret');
  const events = Object.keys(EVENT_TYPES) as EventType[];
  ({ of } = await newEndpoint(db.database, secrets, { workspaceId, url: 'https://example.com/', events }));
});

function inWorkspace<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
  return db.database.withWorkspace(workspaceId, work);
}

/** What was announced by now, in any order, of things that happened in one transaction each. */
async function announced(): Promise<string[]> {
  const types = (await deliveriesOf(db.database, of)).map(({ type }) => type);
  for (const type of types) heard.add(type);
  return types;
}

async function newCampaign(): Promise<{ workspaceId: string; campaignId: string }> {
  const campaignId = newId();
  await inWorkspace((tx) =>
    tx.query(sql`
      INSERT INTO campaign (workspace_id, id, name, list_ids, from_email, template_name, template_body, give_up_seconds)
      VALUES (${workspaceId}, ${campaignId}, 'May', '{}', 'a@b.example', 'a.txt', 'Hi', 60)`),
  );
  return { workspaceId, campaignId };
}

test('a campaign is started once, however often it goes on, and its end is told', async () => {
  const campaign = await newCampaign();
  const move = (from: CampaignState[], to: CampaignState) =>
    inWorkspace((tx) => moveState(tx, campaign, from, to));
  assert.ok(await move(['draft', 'scheduled'], 'starting'));
  assert.equal(await move(['draft'], 'starting'), false);
  await move(['starting'], 'sending');
  await move(['sending'], 'holding');
  await move(['holding'], 'starting');
  await move(['starting'], 'paused');
  await move(['paused'], 'starting');
  await move(['starting'], 'sending');
  await inWorkspace((tx) => holdCampaign(tx, campaign, 'its template is broken'));
  await move(['paused'], 'sending');
  await move(['sending'], 'finished');
  assert.deepEqual(await announced(), [
    'campaign.started',
    'campaign.paused',
    'campaign.paused',
    'campaign.finished',
  ]);
  for (const end of ['cancelled', 'failed'] as const) {
    const another = await newCampaign();
    await inWorkspace((tx) => moveState(tx, another, ['draft'], end));
  }
  assert.deepEqual((await announced()).slice(4), ['campaign.cancelled', 'campaign.failed']);
});

test('people who subscribe and unsubscribe are told of, one by one and many at once; who only asked is not', async () => {
  const listId = await inWorkspace((tx) => findOrCreateList(tx, workspaceId, 'News'));
  const [one, two] = [newId(), newId()];
  await inWorkspace((tx) => changeSubscription(tx, { workspaceId, listId, contactId: one }, 'request'));
  await inWorkspace((tx) => changeSubscription(tx, { workspaceId, listId, contactId: one }, 'confirm'));
  await inWorkspace((tx) => changeSubscription(tx, { workspaceId, listId, contactId: one }, 'confirm'));
  const both = { workspaceId, listId, contactIds: [one, two] };
  await inWorkspace((tx) => changeSubscriptions(tx, both, 'add'));
  assert.deepEqual(await announced(), ['contact.subscribed', 'contact.subscribed']);
  await inWorkspace((tx) => changeSubscriptions(tx, both, 'unsubscribe'));
  await inWorkspace((tx) => changeSubscription(tx, { workspaceId, listId, contactId: two }, 'subscribe'));
  assert.deepEqual((await announced()).slice(2), [
    'contact.unsubscribed',
    'contact.unsubscribed',
    'contact.subscribed',
  ]);
});

test('whatever becomes of a message is told, but for what only the queue needs to know', async () => {
  const event = { contactId: newId(), email: 'a@b.example', attempt: 1, detail: null, rule: null };
  const kinds = MESSAGE_STATES.filter((state) => `message.${state}` in EVENT_TYPES);
  await inWorkspace(async (tx) =>
    recordEvents(
      tx,
      workspaceId,
      newId(),
      kinds.map((kind) => ({ ...event, kind, trouble: null, metAt: null })),
    ),
  );
  assert.deepEqual((await announced()).sort(), kinds.map((kind) => `message.${kind}`).sort());
});

test('an import, a domain’s key, a payment and an invoice are told of', async () => {
  for (const error of [null, 'the file ended']) {
    const importId = await newImport(newId());
    await inWorkspace((tx) => finishImport(tx, workspaceId, importId, error));
    await inWorkspace((tx) => finishImport(tx, workspaceId, importId, error));
  }
  const key = { workspaceId, domain: 'acme.example', selector: 'camp1' };
  await inWorkspace((tx) =>
    tx.query(sql`INSERT INTO dkim_key (workspace_id, domain, selector, algorithm, public_key, private_key)
      VALUES (${workspaceId}, ${key.domain}, ${key.selector}, 'rsa-sha256', 'p', 'sealed')`),
  );
  assert.equal(await inWorkspace((tx) => activatePending(tx, key)), true);
  assert.equal(await inWorkspace((tx) => activatePending(tx, key)), false);
  for (const end of ['succeeded', 'failed'] as const) await inWorkspace((tx) => settledPayment(tx, end));
  await inWorkspace((tx) => issueInvoice(tx, newInvoice(workspaceId)));
  assert.deepEqual(await announced(), [
    'import.finished',
    'import.failed',
    'domain.verified',
    'payment.succeeded',
    'payment.failed',
    'invoice.issued',
  ]);
});

async function newImport(listId: string): Promise<string> {
  const id = newId();
  await inWorkspace((tx) =>
    tx.query(sql`INSERT INTO import (workspace_id, id, list_id, fingerprint, file_name)
      VALUES (${workspaceId}, ${id}, ${listId}, 'f', 'people.csv')`),
  );
  return id;
}

test('imports that end because their list is deleted are told of', async () => {
  const listId = await inWorkspace((tx) => findOrCreateList(tx, workspaceId, 'News'));
  await newImport(listId);
  await newImport(listId);
  await inWorkspace((tx) => deleteList(tx, workspaceId, listId));
  assert.deepEqual(await announced(), ['import.failed', 'import.failed']);
});

async function settledPayment(tx: Tx, end: 'succeeded' | 'failed'): Promise<void> {
  const id = newId();
  await tx.query(sql`
    INSERT INTO payment (workspace_id, id, kind, state, amount_minor, currency, credits, terms, provider,
      idempotency_key, key_fingerprint, key_epoch)
    VALUES (${workspaceId}, ${id}, 'charge', 'sent', 1000, 'EUR', 0, '{"description": "", "paymentMethod": "", "reason": ""}',
      'stripe', ${id}, ${Buffer.alloc(32)}, 1)`);
  const failure = { code: 'declined', message: 'Declined.' };
  await movePayment(tx, { workspaceId, id }, end, end === 'failed' ? { failure } : {});
}

test('no type is in the catalogue that nothing announces', () => {
  assert.deepEqual(
    Object.keys(EVENT_TYPES).filter((type) => !heard.has(type)),
    [],
  );
});
