/** What is shown of a campaign, and the statistics that it leaves. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { advanceOnce } from '../../test/support/advance.ts';
import { makeCampaign, type TestCampaign } from '../../test/support/campaign.ts';
import { type Heard, type TestKey, TestWeb } from '../../test/support/web.ts';
import { changeSubscription, findOrCreateList } from '../audience/lists.ts';
import { breakDown } from '../campaigns/breakdown.ts';
import { sendCampaign } from '../campaigns/campaign.ts';
import { newId } from '../kernel/ids.ts';
import { Scope } from '../kernel/scope.ts';
import { sql } from '../kernel/sql.ts';
import { recordEvents } from '../outcomes/record.ts';
import { Moves } from '../stats/counters.ts';

let web: TestWeb;
let key: TestKey;
let campaign: TestCampaign;

before(async () => {
  web = await TestWeb.start();
  campaign = await makeCampaign(web.db.database, ['ada@city.example', 'ben@city.example', 'cy@town.example']);
  key = await web.newKey('owner', campaign.workspaceId);
});

after(() => web.stop());

function ask(line: string, body?: unknown): Promise<Heard> {
  const headers = line.startsWith('POST') ? { 'idempotency-key': newId() } : {};
  return web.ask(line, { key, headers, ...(body === undefined ? {} : { body }) });
}

/** As the queue settles a message: its state, event and counters in one transaction. */
function settle(email: string, from: string, to: string, reply: string | null): Promise<void> {
  const { workspaceId, campaignId } = campaign;
  return web.db.database.withWorkspace(workspaceId, async (tx) => {
    const [row] = await tx.query<{ contactId: string }>(sql`
      UPDATE message SET state = ${to}, due_at = NULL, attempt = 1 WHERE campaign_id = ${campaignId} AND email = ${email}
      RETURNING contact_id AS "contactId"`);
    assert.ok(row);
    const metAt = reply === null ? null : { phase: 'rcpt' as const, mxHost: 'mx.city.example' };
    const common = {
      contactId: row.contactId,
      email,
      attempt: 1,
      rule: reply && 'no-such-user',
      trouble: null,
    };
    recordEvents(tx, workspaceId, campaignId, [{ ...common, kind: to, detail: reply, metAt }]);
    const moves = new Moves();
    moves.move(from, to);
    moves.write(tx, campaign, 7);
  });
}

async function addUp(): Promise<void> {
  await using scope = Scope.root('breakdown');
  const { workspaceId, campaignId } = campaign;
  const job = { scope, database: web.db.database, workspaceId, key: campaignId, args: {}, failures: 0 };
  await breakDown({ ...job, fence: async () => {} });
}

test('the status adds up to the recipients, with the latest replies and, once it is added up, by provider', async () => {
  await sendCampaign(web.db.database, campaign);
  await advanceOnce(web.db.database, campaign);
  await settle('ada@city.example', 'queued', 'accepted', null);
  await settle('ben@city.example', 'queued', 'rejected', '550 5.1.1 no such user');
  const { json } = await ask(`GET /v1/campaigns/${campaign.campaignId}/status`);
  const { accepted, rejected, queued } = json.counts;
  assert.deepEqual({ accepted, rejected, queued }, { accepted: 1, rejected: 1, queued: 1 });
  const sum = Object.values<number>(json.counts).reduce((total, n) => total + n, 0);
  assert.equal(sum, json.campaign.recipients);
  const [reply, ...others] = json.replies;
  assert.deepEqual(others, []);
  assert.deepEqual(
    [reply.outcome, reply.reply, reply.rule, reply.phase, reply.mx_host],
    ['rejected', '550 5.1.1 no such user', 'no-such-user', 'rcpt', 'mx.city.example'],
  );
  assert.equal(json.breakdown, null);
  await addUp();
  const { breakdown } = (await ask(`GET /v1/campaigns/${campaign.campaignId}/status`)).json;
  assert.deepEqual(breakdown.destinations, [
    { name: 'city.example', messages: 2, counts: { accepted: 1, rejected: 1 } },
    { name: 'town.example', messages: 1, counts: { queued: 1 } },
  ]);
  const [group] = breakdown.refusals;
  assert.deepEqual(
    [group.outcome, group.rule, group.replies, group.example],
    ['rejected', 'no-such-user', 1, '550 5.1.1 no such user'],
  );
});

describe('statistics', () => {
  test('count what became of messages on the day, also of one that bounces after it was accepted', async () => {
    await settle('ada@city.example', 'accepted', 'bounced', null);
    const { json } = await ask('GET /v1/stats');
    assert.equal(json.days.length, 30);
    const { accepted, rejected, bounced, complained } = json.totals;
    assert.deepEqual(
      { accepted, rejected, bounced, complained },
      { accepted: 1, rejected: 1, bounced: 1, complained: 0 },
    );
    assert.deepEqual(json.days.at(-1).counts, json.totals);
    assert.equal(json.days.at(-1).day, new Date().toISOString().slice(0, 10));
    const before = await ask('GET /v1/stats?from=2020-01-01&to=2020-01-02');
    assert.deepEqual(
      before.json.days.map(({ day }: { day: string }) => day),
      ['2020-01-01', '2020-01-02'],
    );
    assert.equal(before.json.totals.accepted, 0);
  });

  test('put campaigns beside one another, with the shares of what is known', async () => {
    const { json } = await ask('GET /v1/stats/campaigns');
    const [row] = json.data;
    assert.equal(row.campaign.id, campaign.campaignId);
    assert.deepEqual([row.counts.bounced, row.counts.rejected, row.counts.queued], [1, 1, 1]);
    assert.deepEqual([row.accepted_rate, row.bounce_rate, row.complaint_rate], [0.5, 1, 0]);
  });

  test('of days that end before they begin, or of too many, are refused', async () => {
    assert.equal((await ask('GET /v1/stats?from=2020-01-02&to=2020-01-01')).status, 400);
    assert.equal((await ask('GET /v1/stats?from=2000-01-01&to=2020-01-01')).status, 400);
    assert.equal((await ask('GET /v1/stats?from=2020-02-30')).status, 400);
  });

  test('do not count a campaign that is tried out, whose mail says that it is a test', async () => {
    const before = (await ask('GET /v1/stats')).json.totals;
    const tried = await ask(`POST /v1/campaigns/${campaign.campaignId}/test`, { to: ['Me@camp.example'] });
    assert.equal(tried.status, 201, JSON.stringify(tried.json));
    const [{ id, to }] = tried.json.data;
    assert.equal(to, 'me@camp.example');
    assert.equal((await ask(`GET /v1/messages/${id}`)).json.state, 'queued');
    const [mail] = await web.db.database.withWorkspace(campaign.workspaceId, async (tx) => {
      const [row] = await tx.query<{ campaignId: string; subject: string; text: string }>(sql`
        SELECT campaign_id AS "campaignId", body->>'subject' AS subject, body->>'text' AS text
        FROM transactional_message`);
      assert.ok(row);
      const moves = new Moves();
      moves.move('queued', 'accepted');
      moves.write(tx, { workspaceId: campaign.workspaceId, campaignId: row.campaignId }, 3);
      return [row];
    });
    assert.ok(mail);
    for (const verb of ['pause', 'cancel', 'pace', 'duplicate', 'test']) {
      const body = { pace: { max_per_hour: 1 }, duplicate: {}, test: { to: ['me@camp.example'] } }[verb];
      const { status } = await ask(`POST /v1/campaigns/${mail.campaignId}/${verb}`, body);
      assert.equal(status, 404, `the stream of messages of their own is no campaign: ${verb}`);
    }
    assert.match(mail.subject, /^\[Test\] /);
    assert.match(mail.text, /^Hello you/);
    assert.deepEqual((await ask('GET /v1/stats')).json.totals, before);
    const { counts } = (await ask(`GET /v1/campaigns/${campaign.campaignId}/status`)).json;
    assert.equal(
      Object.values<number>(counts).reduce((total, n) => total + n, 0),
      3,
    );
  });
});

test('an audience is estimated with who is on two lists, who is taken out and who gets no mail', async () => {
  const { workspaceId } = campaign;
  const lists = await web.db.database.withWorkspace(workspaceId, async (tx) => {
    const people = await tx.query<{ id: string; email: string }>(
      sql`SELECT id, email FROM contact ORDER BY email`,
    );
    const put = async (name: string, emails: string[]) => {
      const listId = await findOrCreateList(tx, workspaceId, name);
      for (const { id, email } of people)
        if (emails.includes(email))
          await changeSubscription(tx, { workspaceId, listId, contactId: id }, 'subscribe');
      return listId;
    };
    await tx.query(sql`INSERT INTO suppression (workspace_id, email, reason)
      VALUES (${workspaceId}, 'ada@city.example', 'manual')`);
    return {
      all: await findOrCreateList(tx, workspaceId, 'news'),
      some: await put('some', ['ada@city.example', 'cy@town.example']),
      out: await put('out', ['cy@town.example']),
    };
  });
  const made = await ask('POST /v1/campaigns', {
    name: 'x',
    from: { email: 'news@camp.example' },
    template: { name: 'x.txt', source: '---\nsubject: x\n---\nx' },
    audience: { list_ids: [lists.all, lists.some], exclude: { list_ids: [lists.out] } },
  });
  const { json } = await ask(`GET /v1/campaigns/${made.json.id}/audience`);
  const { as_of, ...counts } = json;
  assert.deepEqual(counts, { matched: 5, duplicates: 2, excluded: 1, suppressed: 1, recipients: 1 });
  const checked = await ask(`GET /v1/campaigns/${made.json.id}/checklist`);
  const { sentence } = checked.json.items.find(({ id }: { id: string }) => id === 'audience');
  assert.equal(sentence, 'It goes to 1 person.');
});

describe('a send to real mail servers', () => {
  let real: TestWeb;
  before(async () => {
    real = await TestWeb.start(
      {},
      {
        env: { SMTP_URL: 'smtp://relay.acme.com', CAMP_PUBLIC_URL: 'https://mail.acme.com' },
      },
    );
  });
  after(() => real.stop());

  async function draftFrom(email: string) {
    const { workspaceId, campaignId } = await makeCampaign(real.db.database, ['ada@city.example']);
    const key = await real.newKey('marketer', workspaceId);
    await real.db.database.withWorkspace(workspaceId, (tx) =>
      tx.query(sql`UPDATE campaign SET from_email = ${email} WHERE id = ${campaignId}`),
    );
    const path = `/v1/campaigns/${campaignId}`;
    const send = (body: object) =>
      real.ask(`POST ${path}/send`, { key, body, headers: { 'idempotency-key': newId() } });
    return { send, show: (what: string) => real.ask(`GET ${path}${what}`, { key }), key };
  }

  test('is refused while something should be looked at, and sent by who accepts that', async () => {
    const { send, show } = await draftFrom('hello@greenmill.com');
    const refused = await send({});
    assert.deepEqual([refused.status, refused.json.code], [422, 'checklist-failed']);
    const checked = (await show('/checklist')).json;
    const faults = checked.items.filter(({ verdict }: { verdict: string }) => verdict !== 'green');
    assert.deepEqual(
      refused.json.errors.map(({ path }: { path: string }) => path),
      faults.map(({ id }: { id: string }) => `/checklist/${id}`),
    );
    assert.equal((await show('')).json.state, 'draft');
    assert.equal((await send({ accept_warnings: true })).status, 202);
  });

  test('against the checklist needs force, and who forced it stands in the status', async () => {
    const { send, show, key } = await draftFrom('green.mill@gmail.com');
    assert.equal((await send({ accept_warnings: true })).status, 422);
    assert.equal((await send({ force: true })).status, 202);
    const [override] = (await show('/status')).json.overrides;
    assert.equal(override.by, `key ${key.id}`);
    assert.deepEqual(
      override.items.map(({ id }: { id: string }) => id),
      ['sender'],
    );
  });
});
