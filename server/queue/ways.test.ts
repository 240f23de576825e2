import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { type City, startCity } from '../../test/city/city.ts';
import { ODD_DOMAINS } from '../../test/city/zone.ts';
import {
  makeCampaign,
  present,
  startTestSink,
  startTestWorker,
  type TestCampaign,
  until,
  untilState,
} from '../../test/support/campaign.ts';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { sendCampaign } from '../campaigns/campaign.ts';
import { campaignStatus } from '../campaigns/status.ts';
import { loadSecrets } from '../kernel/secrets.ts';
import { sql } from '../kernel/sql.ts';
import { saveRelay } from '../senders/relays.ts';
import { setRoute } from '../senders/routes.ts';
import { addSource, setWarmUp } from '../senders/sources.ts';
import { dayOf } from '../senders/warm-up.ts';

const PROVIDERS = ['google', 'harbour', 'exchange'];

let db: TestDatabase;
let city: City;
let folder: string;

before(async () => {
  db = await createTestDatabase();
  folder = await mkdtemp(join(tmpdir(), 'camp-ways-'));
  city = await startCity({ dir: folder, providers: PROVIDERS, speed: 20 });
});

after(async () => {
  await city.stop();
  await db.drop();
  await rm(folder, { recursive: true });
});

function people(domain: string, count: number, name = 'reader'): string[] {
  return Array.from({ length: count }, (_, at) => `${name}${at}@${domain}`);
}

/** Drained when the test has ended, however that was. */
function startDirectWorker(t: TestContext): void {
  const env = { CAMP_RESOLVER: city.resolver, CAMP_MX_PORT: String(city.mxPort) };
  const worker = startTestWorker(db.url, undefined, env);
  t.after(() => worker.drain());
}

async function send(campaign: TestCampaign) {
  await sendCampaign(db.database, campaign);
  return untilState(db.database, campaign, 'finished');
}

function lanes(campaign: TestCampaign) {
  return db.database.withSystem((tx) =>
    tx.query<{ name: string | null }>(sql`
      SELECT d.name FROM lane l LEFT JOIN destination d ON d.id = l.number
      WHERE l.queue = 'message' AND l.key = ${campaign.campaignId} ORDER BY d.name NULLS FIRST`),
  );
}

function messages(campaign: TestCampaign) {
  return db.database.withWorkspace(campaign.workspaceId, (tx) =>
    tx.query<{ email: string; state: string; deferrals: number; attempt: number; lane: number }>(sql`
      SELECT email, state, deferrals, attempt, lane FROM message WHERE campaign_id = ${campaign.campaignId} ORDER BY email`),
  );
}

async function reasons(campaign: TestCampaign): Promise<Record<string, string>> {
  const rows = await db.database.withWorkspace(campaign.workspaceId, (tx) =>
    tx.query<{ email: string; rule: string }>(sql`
      SELECT m.email, e.rule FROM event e JOIN message m USING (workspace_id, campaign_id, contact_id)
      WHERE e.campaign_id = ${campaign.campaignId} ORDER BY e.at`),
  );
  return Object.fromEntries(rows.map(({ email, rule }) => [email, rule]));
}

describe('a campaign without a relay', () => {
  test('goes straight to each provider, and the next one is frozen into their lanes', async (t) => {
    const audience = [
      ...people('gmail.example', 12),
      ...people('bakery.example', 3),
      ...people('harbour.example', 6),
    ];
    const [first, second] = [
      await makeCampaign(db.database, audience),
      await makeCampaign(db.database, audience),
    ];
    startDirectWorker(t);
    const { counts } = await send(first);
    assert.deepEqual(present(counts), { accepted: audience.length });
    await send(second);
    const names = (await lanes(second)).map(({ name }) => name);
    assert.deepEqual(names, [null, 'provider google', 'site mx.harbour.example']);
    assert.ok((await messages(second)).every(({ lane }) => lane > 0));
    const times = await city.acceptedOf();
    assert.deepEqual(
      audience.map((email) => times.get(email)),
      audience.map(() => 2),
    );
    const broken = (await city.report()).map(({ limits_broken }) => limits_broken);
    assert.deepEqual(broken, [0, 0, 0]);
  });

  test('rejects whose domain takes no mail, and tries again what DNS does not tell', async (t) => {
    const { nullMx, noSuchDomain, servfail } = ODD_DOMAINS;
    const campaign = await makeCampaign(
      db.database,
      [nullMx, noSuchDomain, servfail].map((domain) => `ann@${domain}`),
    );
    startDirectWorker(t);
    await sendCampaign(db.database, campaign);
    const rows = await until(async () => {
      const found = await messages(campaign);
      return (
        found.length === 3 &&
        found.every(({ state, deferrals }) => state !== 'queued' && (state !== 'claimed' || deferrals > 0)) &&
        found
      );
    }, 'everybody was tried');
    const states = Object.fromEntries(rows.map(({ email, state }) => [email, state]));
    assert.deepEqual([states[`ann@${nullMx}`], states[`ann@${noSuchDomain}`]], ['rejected', 'rejected']);
    const why = await reasons(campaign);
    assert.deepEqual(
      [nullMx, noSuchDomain, servfail].map((domain) => why[`ann@${domain}`]),
      ['null-mx', 'no-such-domain', 'dns-failed'],
    );
  });

  test('waits for a greylist as long as it says, and comes back', async (t) => {
    const campaign = await makeCampaign(db.database, people('corp-exchange.example', 4));
    startDirectWorker(t);
    const { counts } = await send(campaign);
    assert.deepEqual(present(counts), { accepted: 4 });
    assert.ok((await messages(campaign)).every(({ deferrals }) => deferrals === 1));
  });

  test('is slowed down by a provider’s throttle, which costs no message a try', async (t) => {
    const campaign = await makeCampaign(db.database, people('gmail.example', 4, 'slow'));
    startDirectWorker(t);
    await city.control('google', { door: 'throttle' });
    await sendCampaign(db.database, campaign);
    const shape = await until(async () => {
      const [row] = await db.database.withSystem((tx) =>
        tx.query<{ learned: { connections?: { rule: string; reply: string } } }>(
          sql`SELECT learned FROM shape WHERE target = 'provider google' AND learned ? 'connections'`,
        ),
      );
      return row?.learned.connections;
    }, 'the throttle is learned');
    assert.match(shape.reply, /^421 4\.7\.28/);
    assert.ok(shape.rule);
    await city.control('google', { door: 'open' });
    const { counts } = await untilState(db.database, campaign, 'finished');
    assert.deepEqual(present(counts), { accepted: 4 });
    assert.deepEqual(new Set(Object.values(await reasons(campaign))), new Set(['accepted']));
    assert.ok((await messages(campaign)).every(({ deferrals }) => deferrals === 0));
  });

  test('gives up what nobody could be reached for, and holds up nobody else', async (t) => {
    const audience = [...people('harbour.example', 5, 'shut'), ...people('gmail.example', 5, 'open')];
    const campaign = await makeCampaign(db.database, audience);
    await db.database.withWorkspace(campaign.workspaceId, (tx) =>
      tx.query(sql`UPDATE campaign SET give_up_seconds = 3 WHERE id = ${campaign.campaignId}`),
    );
    await city.control('harbour', { door: 'reset' });
    startDirectWorker(t);
    const { counts } = await send(campaign);
    await city.control('harbour', { door: 'open' });
    assert.deepEqual(present(counts), { accepted: 5, expired: 5 });
    const why = await reasons(campaign);
    assert.ok(
      people('harbour.example', 5, 'shut').every((email) =>
        /unreachable|no-connection|give-up-age/.test(why[email] ?? ''),
      ),
    );
  });
});

describe('a route of a sender’s own', () => {
  test('shares the mail between two relays by weight, and all of it goes by the other when one is gone', async (t) => {
    const secrets = await loadSecrets(db.database, undefined);
    const [one, two] = [await startTestSink(), await startTestSink()];
    const campaign = await makeCampaign(db.database, 60);
    const { workspaceId } = campaign;
    await db.database.withWorkspace(workspaceId, async (tx) => {
      await saveRelay(tx, secrets, workspaceId, { name: 'one', url: one.smtpUrl, trusted: true });
      await saveRelay(tx, secrets, workspaceId, { name: 'two', url: two.smtpUrl, trusted: true });
      const route = { domain: 'camp.example', route: 'relay:one*2,relay:two', fallback: null };
      await setRoute(tx, secrets, workspaceId, route);
    });
    startDirectWorker(t);
    assert.deepEqual(present((await send(campaign)).counts), { accepted: 60 });
    const [first, second] = [(await one.records()).length, (await two.records()).length];
    assert.ok(first > second && second > 5, `${first} and ${second}`);
    await one.stop();
    const again = await makeCampaignIn(workspaceId);
    assert.deepEqual(present((await send(again)).counts), { accepted: 60 });
    assert.equal((await two.records()).length, second + 60);
    await two.stop();
  });

  test('sends from a source that warms up no more than its day allows, and the rest waits', async (t) => {
    const secrets = await loadSecrets(db.database, undefined);
    await addSource(db.database, {
      address: '127.0.0.9',
      heloName: 'warm.camp.example',
      pool: 'warm',
      weight: 1,
      publicAddress: null,
    });
    const start = dayOf(new Date());
    await setWarmUp(db.database, '127.0.0.9', { provider: '*', start, from: 4, factor: 2, until: 1_000 });
    const campaign = await makeCampaign(db.database, people('gmail.example', 9, 'warm'));
    const { workspaceId } = campaign;
    const route = { domain: '*', route: 'direct:warm', fallback: null };
    await db.database.withWorkspace(workspaceId, (tx) => setRoute(tx, secrets, workspaceId, route));
    startDirectWorker(t);
    await sendCampaign(db.database, campaign);
    const { counts } = await until(async () => {
      const status = await campaignStatus(db.database, campaign, 'rows');
      return status.counts.accepted >= 4 && status.counts.queued === 5 && status;
    }, 'the day is used up');
    assert.deepEqual(present(counts), { accepted: 4, queued: 5 });
    const records = (await city.records()).filter(({ recipient }) => recipient.startsWith('warm'));
    assert.deepEqual(new Set(records.map(({ source }) => source)), new Set(['127.0.0.9']));
  });

  /** The same people once more. */
  async function makeCampaignIn(workspaceId: string): Promise<TestCampaign> {
    const [row] = await db.database.withWorkspace(workspaceId, (tx) =>
      tx.query<{ id: string }>(sql`
        INSERT INTO campaign (workspace_id, id, name, list_ids, from_email, template_name, template_body)
        SELECT workspace_id, uuidv7(), 'again', list_ids, from_email, template_name, template_body FROM campaign
        RETURNING id`),
    );
    return { workspaceId, campaignId: row?.id ?? '' };
  }
});
