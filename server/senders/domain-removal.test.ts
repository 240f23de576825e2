/** A domain stays while mail needs its signature, also when two people change it at the same moment. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { explained } from '../../test/support/explain.ts';
import { waitForLocks } from '../../test/support/lock-wait.ts';
import type { Tx } from '../kernel/database.ts';
import { newId } from '../kernel/ids.ts';
import { Secrets } from '../kernel/secrets.ts';
import { sql } from '../kernel/sql.ts';
import { addDomain, findDomain, holdSigner, removeDomain } from './domains.ts';
import * as queries from './queries.ts';

const secrets = new Secrets('a secret');

let db: TestDatabase;
let workspaceId: string;

before(async () => {
  db = await createTestDatabase();
});
after(() => db.drop());
beforeEach(() => {
  workspaceId = newId();
});

const within = <T>(work: (tx: Tx) => Promise<T>) => db.database.withWorkspace(workspaceId, work);
const add = (domain: string) =>
  within((tx) => addDomain(tx, secrets, workspaceId, domain, ['ed25519-sha256']));
const remove = (domain: string) => within((tx) => removeDomain(tx, workspaceId, domain));

/** As if its record had been found. */
const activate = (domain: string) =>
  within((tx) => tx.query(sql`UPDATE dkim_key SET state = 'active' WHERE domain = ${domain}`));

async function campaign(fromEmail: string, state: string, kind = 'campaign'): Promise<string> {
  const id = newId();
  await within((tx) =>
    tx.query(sql`
      INSERT INTO campaign (workspace_id, id, kind, stream_month, name, state, list_ids, from_email, template_name,
        template_body)
      VALUES (${workspaceId}, ${id}, ${kind}, ${kind === 'transactional' ? '2030-01-01' : null}::date, 'Pears', ${state},
        '{}', ${fromEmail}, '', '')`),
  );
  return id;
}

function message(campaignId: string, state: 'queued' | 'accepted'): Promise<unknown> {
  return within((tx) =>
    tx.query(sql`
      INSERT INTO message (workspace_id, campaign_id, lane, state, due_at, contact_id, email)
      VALUES (${workspaceId}, ${campaignId}, 0, ${state}, CASE ${state} WHEN 'queued' THEN now() END, ${newId()},
        'a@example.com')`),
  );
}

/** `second` begins while `first` is done and not committed, and waits for it. */
async function atOnce(first: (tx: Tx) => Promise<unknown>, second: () => Promise<unknown>) {
  const { begun } = await within(async (tx) => {
    await first(tx);
    const waiting = Promise.allSettled([second()]);
    await waitForLocks(db.directUrl);
    return { begun: waiting };
  });
  const [outcome] = await begun;
  return outcome?.status === 'rejected' ? String(outcome.reason) : outcome?.value;
}

test('a domain stays while a campaign under way is signed by it, though a nearer one waits for its record', async () => {
  await add('acme.example');
  await activate('acme.example');
  await add('news.acme.example');
  const id = await campaign('a@News.acme.example', 'sending');
  await assert.rejects(remove('acme.example'), {
    reason: 'conflict',
    message:
      'The campaign "Pears" sends as news.acme.example and is not over: wait for its end, or cancel it.',
  });
  await activate('news.acme.example');
  await remove('acme.example');
  await assert.rejects(remove('news.acme.example'), { reason: 'conflict' });
  await within((tx) => tx.query(sql`UPDATE campaign SET state = 'finished' WHERE id = ${id}`));
  await remove('news.acme.example');
});

test('a domain that nothing was found of stays while a campaign sends as it', async () => {
  await add('acme.example');
  await campaign('a@news.acme.example', 'scheduled');
  await assert.rejects(remove('acme.example'), { reason: 'conflict' });
});

test('a domain stays while messages of their own wait for its signature, and no longer', async () => {
  await add('acme.example');
  await activate('acme.example');
  const stream = await campaign('a@news.acme.example', 'sending', 'transactional');
  await message(stream, 'accepted');
  await message(stream, 'queued');
  await message(await campaign('a@other.example', 'sending', 'transactional'), 'queued');
  await assert.rejects(remove('acme.example'), {
    reason: 'conflict',
    message: 'Messages from news.acme.example wait to be sent: wait until they have left, or cancel them.',
  });
  await within((tx) => tx.query(sql`UPDATE message SET state = 'cancelled', due_at = NULL`));
  await remove('acme.example');
});

test('a domain is not removed while somebody sends by it, and not sent by while it is removed', async () => {
  await add('acme.example');
  await activate('acme.example');
  const sends = async (tx: Tx) => {
    assert.equal(await holdSigner(tx, workspaceId, 'news.acme.example'), true);
    await tx.query(sql`UPDATE campaign SET state = 'starting'`);
  };
  await campaign('a@news.acme.example', 'draft');
  assert.match(String(await atOnce(sends, () => remove('acme.example'))), /is not over/);
  await within((tx) => tx.query(sql`UPDATE campaign SET state = 'draft'`));
  const holds = () => within((tx) => holdSigner(tx, workspaceId, 'news.acme.example'));
  assert.equal(await atOnce((tx) => removeDomain(tx, workspaceId, 'acme.example'), holds), false);
});

test('a domain that is added again while it is removed has a key', async () => {
  await add('acme.example');
  await atOnce(
    (tx) => removeDomain(tx, workspaceId, 'acme.example'),
    () => add('acme.example'),
  );
  const found = await within((tx) => findDomain(tx, { workspaceId, domain: 'acme.example' }));
  assert.deepEqual(
    found?.keys.map(({ state }) => state),
    ['pending'],
  );
});

test('what waits is looked for in its index, and the domain that signs among few', async () => {
  await within(async (tx) => {
    await tx.query(sql`INSERT INTO sending_domain (workspace_id, domain)
      SELECT ${workspaceId}, n || '.example' FROM generate_series(1, 5000) n`);
    await tx.query(sql`INSERT INTO dkim_key (workspace_id, domain, selector, algorithm, public_key, private_key, state)
      SELECT ${workspaceId}, n || '.example', 'a', 'rsa-sha256', 'key', 'sealed', 'active' FROM generate_series(1, 5000) n`);
    await tx.query(sql`INSERT INTO campaign (workspace_id, id, kind, stream_month, name, state, list_ids, from_email,
        template_name, template_body)
      SELECT ${workspaceId}, gen_random_uuid(), CASE n % 100 WHEN 0 THEN 'transactional' ELSE 'campaign' END,
        CASE n % 100 WHEN 0 THEN date '2030-01-01' END, '', 'finished', '{}', n || '@acme.example', '', ''
      FROM generate_series(1, 5000) n`);
    await tx.query(sql`INSERT INTO message (workspace_id, campaign_id, lane, state, contact_id, email)
      SELECT ${workspaceId}, ${newId()}, 0, 'accepted', gen_random_uuid(), 'a@example.com' FROM generate_series(1, 50000)`);
  });
  await db.database.withOwner((tx) => tx.query(sql`ANALYZE sending_domain, dkim_key, campaign, message`));
  const [waiting = '', signing = '', held = ''] = await within((tx) =>
    explained(tx, async (spy) => {
      await queries.fromDomainsOfWaiting(spy, workspaceId);
      await queries.signingDomain(spy, workspaceId, ['a.7.example', '7.example']);
      await queries.holdDomains(spy, workspaceId, ['a.7.example', '7.example']);
    }),
  );
  assert.match(waiting, /campaign_stream/, waiting);
  assert.match(waiting, /Index Only Scan using message_\w+_lane_due_at_\w+ /, waiting);
  for (const plan of [signing, held]) {
    assert.match(plan, /sending_domain_pkey/, plan);
    assert.doesNotMatch(plan, /Seq Scan/, plan);
  }
});
