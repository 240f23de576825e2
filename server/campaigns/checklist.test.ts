/** The checklist before a campaign: what Gmail, Yahoo, Microsoft and the law would hold against it. */
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { type ScriptedDns, scriptedDns, type Zone } from '../../test/support/dns-server.ts';
import { upsertContact } from '../audience/contacts.ts';
import { changeSubscription, findOrCreateList } from '../audience/lists.ts';
import { readConfig } from '../kernel/config.ts';
import { newId, DEFAULT_WORKSPACE_ID as workspaceId } from '../kernel/ids.ts';
import { Scope } from '../kernel/scope.ts';
import { loadSecrets, type Secrets } from '../kernel/secrets.ts';
import { sql } from '../kernel/sql.ts';
import { addDomain, checkDomain, findDomain, removeDomain } from '../senders/domains.ts';
import { describeInstallation } from '../senders/installation.ts';
import { saveRelay } from '../senders/relays.ts';
import { setRoute } from '../senders/routes.ts';
import { Resolver } from '../smtp/dns.ts';
import type { Checklist, Surroundings } from './checklist.ts';
import { checkBeforeSending } from './checklist.ts';
import { createCampaign, lockDraft } from './draft.ts';
import { type Consent, launch } from './launch.ts';
import { updateDraft } from './queries.ts';
import { campaignStatus } from './status.ts';
import { type TemplateWorker, workHere } from './template-work.ts';

const ADDRESS = 'Green Mill Farm, 4 Mill Lane, Little Harbury';
const BODY = `Hello {{ first_name | default: "you" }},
our apples: https://greenmill.com/apples
{{ postal_address }}
{{ unsubscribe_url }}
`;

let db: TestDatabase;
let secrets: Secrets;
let zone: Zone;
let dns: ScriptedDns;

before(async () => {
  db = await createTestDatabase();
  secrets = await loadSecrets(db.database, 'test secret');
  await db.database.withWorkspace(workspaceId, (tx) =>
    addDomain(tx, secrets, workspaceId, 'greenmill.com', ['rsa-sha256']),
  );
});
beforeEach(async () => {
  zone = {};
  dns = await scriptedDns(zone);
  await publish();
});
afterEach(() => dns.close());
after(() => db.drop());

/** All that the domain needs, as `camp domain add` would print it. */
async function publish(): Promise<void> {
  await withSurroundings({}, async (around) => {
    const installation = await describeInstallation(db.database, around.config);
    const checked = await checkDomain({ ...around, workspaceId, installation }, 'greenmill.com');
    assert.ok(checked.kind === 'checked');
    for (const { type, name, expected } of checked.records)
      if (type === 'TXT') zone[name] = { TXT: [expected.match(/.{1,255}/g) ?? []] };
  });
}

async function withSurroundings<T>(
  env: Record<string, string>,
  work: (around: Surroundings) => Promise<T>,
): Promise<T> {
  await using scope = Scope.root('checklist', { deadlineMs: 10_000 });
  const config = readConfig({
    DATABASE_URL: db.url,
    CAMP_RESOLVER: dns.server,
    CAMP_PUBLIC_URL: 'https://mail.greenmill.com',
    CAMP_SPF: 'ip4:192.0.2.1',
    ...env,
  });
  return await work({
    work: workHere,
    scope,
    database: db.database,
    secrets,
    resolver: new Resolver({ servers: [dns.server] }),
    config,
  });
}

interface Draft {
  body: string;
  subject: string;
  from: string;
  postalAddress: string | undefined;
  people: Record<string, unknown>[];
  fileName: string;
}

async function makeDraft(changes: Partial<Draft> = {}) {
  const { body, subject, from, postalAddress, people, fileName } = {
    body: BODY,
    subject: 'Apples',
    from: 'news@greenmill.com',
    postalAddress: ADDRESS,
    people: [{}, {}, {}],
    fileName: 'apples.txt',
    ...changes,
  };
  const listId = await db.database.withWorkspace(workspaceId, async (tx) => {
    const list = await findOrCreateList(tx, workspaceId, `list ${newId()}`);
    for (const { name, ...attributes } of people) {
      const contact = {
        email: `${newId()}@acme.example`,
        attributes,
        ...(typeof name === 'string' ? { name } : {}),
      };
      const saved = await upsertContact(tx, workspaceId, contact);
      assert.ok(saved.kind === 'saved');
      await changeSubscription(tx, { workspaceId, listId: list, contactId: saved.id }, 'subscribe');
    }
    return list;
  });
  const template = { name: fileName, body: `---\nsubject: ${subject}\n---\n${body}` };
  const draft = { name: 'Apples', listIds: [listId], from: { email: from }, template, postalAddress };
  return { workspaceId, campaignId: await createCampaign(db.database, workspaceId, draft) };
}

async function check(changes: Partial<Draft> = {}, env: Record<string, string> = {}): Promise<Checklist> {
  const campaign = await makeDraft(changes);
  return withSurroundings(env, (around) => checkBeforeSending(around, campaign));
}

/** The items that are not green, as `id verdict`. */
async function faults(changes: Partial<Draft> = {}, env: Record<string, string> = {}): Promise<string[]> {
  const { items } = await check(changes, env);
  return items.filter(({ verdict }) => verdict !== 'green').map(({ id, verdict }) => `${id} ${verdict}`);
}

async function sentenceOf(id: string, changes: Partial<Draft> = {}): Promise<string> {
  const { items } = await check(changes);
  const item = items.find((candidate) => candidate.id === id);
  return `${item?.sentence} ${item?.fix}`;
}

describe('who sends', () => {
  test('a mail that keeps every rule is green all over', async () => {
    const { items, verdict, isRehearsal } = await check();
    assert.deepEqual(
      items.map(({ id }) => id),
      'audience sender dkim spf dmarc one-click unsubscribe-link postal-address merge-fields subject size links'.split(
        ' ',
      ),
    );
    assert.equal(verdict, 'green', JSON.stringify(items));
    assert.equal(isRehearsal, false);
  });

  test('without DMARC, SPF or the DKIM record, mail that goes straight to the providers is stopped', async () => {
    for (const [purpose, name] of [
      ['dmarc', '_dmarc.greenmill.com'],
      ['spf', 'greenmill.com'],
      ['dkim', Object.keys(zone).find((candidate) => candidate.includes('_domainkey')) ?? ''],
    ] as const) {
      const { [name]: record } = zone;
      delete zone[name];
      assert.deepEqual(await faults(), [`${purpose} red`]);
      zone[name] = record ?? {};
    }
  });

  test('a domain that nobody added signs nothing: red straight to the providers, the relay’s business through a relay', async () => {
    const from = 'news@millers.com';
    assert.deepEqual(await faults({ from }), ['dkim red']);
    assert.deepEqual(await faults({ from }, { SMTP_URL: 'smtp://relay.acme.com' }), []);
  });

  test('through a relay, a missing DKIM record is worth a look, and a missing DMARC record still stops it', async () => {
    for (const name of Object.keys(zone)) delete zone[name];
    assert.deepEqual(await faults({}, { SMTP_URL: 'smtp://relay.acme.com' }), [
      'dkim amber',
      'spf amber',
      'dmarc red',
    ]);
  });

  test('a DNS that does not answer is not taken for a missing record', async () => {
    zone['_dmarc.greenmill.com'] = { fails: 'SERVFAIL' };
    assert.deepEqual(await faults(), ['dmarc amber']);
  });

  test('nobody may send as a user of Gmail, unless Gmail’s own relay does it', async () => {
    const from = 'green.mill@gmail.com';
    assert.deepEqual(await faults({ from }), ['sender red', 'dkim red']);
    assert.deepEqual(await faults({ from }, { SMTP_URL: 'smtp://relay.acme.com' }), ['sender red']);
    assert.deepEqual(await faults({ from }, { SMTP_URL: 'smtp://smtp.gmail.com' }), []);
    const route = { domain: 'gmail.com', route: 'relay:google / relay:other', fallback: null };
    await db.database.withWorkspace(workspaceId, async (tx) => {
      for (const [name, url] of [
        ['google', 'smtp://smtp.gmail.com'],
        ['other', 'smtp://relay.acme.com'],
      ] as const)
        await saveRelay(tx, secrets, workspaceId, { name, url, trusted: true });
      await setRoute(tx, secrets, workspaceId, route);
    });
    assert.deepEqual(await faults({ from }), ['sender red']);
  });

  test('a sender that exists in examples only is stopped, but for a test server', async () => {
    const from = 'news@greenmill.example';
    assert.deepEqual(await faults({ from }, { SMTP_URL: 'smtp://relay.acme.com' }), ['sender red']);
    const rehearsal = await check({ from }, { SMTP_URL: 'smtp://127.0.0.1:25' });
    assert.deepEqual([rehearsal.isRehearsal, rehearsal.verdict], [true, 'green']);
  });

  test('a relay on this machine is real at a mail port and a test server at another', async () => {
    for (const [url, isRehearsal] of [
      ['smtp://localhost', false],
      ['smtp://127.0.0.1:587', false],
      ['smtp://127.0.0.1:1025', true],
      ['smtp://192.0.2.9:1025', false],
    ] as const)
      assert.equal((await check({}, { SMTP_URL: url })).isRehearsal, isRehearsal, url);
    assert.equal((await check({}, { CAMP_MX_PORT: '2525' })).isRehearsal, true);
  });
});

describe('the mail', () => {
  test('nobody to send it to is a mistake', async () => {
    assert.deepEqual(await faults({ people: [] }), ['audience red']);
  });

  test('merge fields that would be empty are counted by the people who lack them', async () => {
    const people = [
      { city: 'Köln', name: 'Ann Lee' },
      { city: '', name: 'Bo' },
      {},
      { city: 'Bonn', name: 'Cy' },
    ];
    const body = `{{ first_name }} in {{ contact.city }}, {{ contact.plan | default: "free" }}\n${BODY}`;
    assert.match(
      await sentenceOf('merge-fields', { people, body }),
      /^Of 4 people, "first_name" is empty for 1 person, "city" is empty for 2 people\. Give it a default in apples\.txt/,
    );
    assert.deepEqual(await faults({ people, body }), ['merge-fields amber']);
    assert.deepEqual(await faults({ people: [{}, {}], body }), ['merge-fields red']);
  });

  test('a postal address must be known, and be in the mail, however its lines are broken', async () => {
    const without = BODY.replace('{{ postal_address }}', 'Bye');
    assert.deepEqual(await faults({ postalAddress: undefined, body: without }), ['postal-address amber']);
    assert.deepEqual(await faults({ body: without }), ['postal-address amber']);
    const written = BODY.replace('{{ postal_address }}', 'GREEN MILL FARM\n4 Mill Lane\nLittle Harbury');
    assert.deepEqual(await faults({ body: written }), []);
  });

  test('a mail without a link for unsubscribing is worth a look', async () => {
    assert.deepEqual(await faults({ body: BODY.replace('{{ unsubscribe_url }}', '') }), [
      'unsubscribe-link amber',
    ]);
  });

  test('one-click unsubscribing needs an https address that others can reach', async () => {
    assert.deepEqual(await faults({}, { CAMP_PUBLIC_URL: 'http://mail.greenmill.com' }), ['one-click amber']);
    assert.deepEqual(await faults({}, { CAMP_PUBLIC_URL: 'https://localhost:8080' }), ['one-click amber']);
  });

  test('Gmail cuts off more than 102 KB of HTML, whatever the text has', async () => {
    const html = (kilobytes: number) =>
      `<html><body>${`<p>${'x'.repeat(1_017)}</p>`.repeat(kilobytes)}${BODY}</body></html>`;
    assert.deepEqual(await faults({ fileName: 'apples.html', body: html(100) }), []);
    assert.deepEqual(await faults({ fileName: 'apples.html', body: html(102) }), ['size amber']);
    assert.deepEqual(await faults({ body: BODY.repeat(1_500) }), []);
  });

  test('links without https are named', async () => {
    const html = `<html><body><a href="http://greenmill.com/pears">pears</a>${BODY}</body></html>`;
    assert.match(
      await sentenceOf('links', { fileName: 'apples.html', body: html }),
      /1 link is not https: http:\/\/greenmill\.com\/pears\./,
    );
    assert.deepEqual(await faults({ body: `${BODY}http://greenmill.com/pears` }), ['links amber']);
  });

  test('a subject that is empty is a mistake', async () => {
    assert.deepEqual(await faults({ subject: '{{ headline | default: "" }}' }), ['subject red']);
  });
});

describe('launch', () => {
  const AMBER = { postalAddress: undefined, body: BODY.replace('{{ postal_address }}', 'Bye') };
  const RED = { ...AMBER, from: 'news@millers.com' };

  async function send(
    changes: Partial<Draft>,
    consent: Partial<Consent> = {},
    env: Record<string, string> = {},
  ) {
    const campaign = await makeDraft(changes);
    const asked: string[][] = [];
    const outcome = await withSurroundings(env, (around) =>
      launch(
        around,
        campaign,
        {},
        {
          force: false,
          by: 'ann',
          confirm: async (items) => asked.push(items.map(({ id }) => id)) < 0,
          ...consent,
        },
      ),
    );
    const { campaign: row, overrides } = await campaignStatus(db.database, campaign);
    return { kind: outcome.kind, asked, state: row.state, overrides };
  }

  test('red stops it, and asks nothing', async () => {
    assert.deepEqual(await send(RED), { kind: 'refused', asked: [], state: 'draft', overrides: [] });
  });

  test('amber asks: no keeps the draft, yes sends it', async () => {
    const no = { kind: 'unconfirmed', asked: [['postal-address']], state: 'draft', overrides: [] };
    assert.deepEqual(await send(AMBER), no);
    const yes = { kind: 'sent', asked: [], state: 'starting', overrides: [] };
    assert.deepEqual(await send(AMBER, { confirm: async () => true }), yes);
  });

  test('force sends it all the same, and who did that, when and against what is kept', async () => {
    const { kind, asked, state, overrides } = await send(RED, { force: true });
    assert.deepEqual({ kind, asked, state }, { kind: 'sent', asked: [], state: 'starting' });
    const [override] = overrides;
    assert.equal(override?.by, 'ann');
    assert.deepEqual(
      override?.items.map(({ id }) => id),
      ['dkim'],
    );
    assert.ok(Math.abs(Date.now() - (override?.at.getTime() ?? 0)) < 60_000);
  });

  test('a draft that somebody changes while it is looked at is not sent', async () => {
    const campaign = await makeDraft(AMBER);
    const confirm = async () => {
      await db.database.withWorkspace(workspaceId, async (tx) =>
        updateDraft(tx, campaign, { ...(await lockDraft(tx, campaign)), name: 'another' }),
      );
      return true;
    };
    await withSurroundings({}, (around) =>
      assert.rejects(
        launch(around, campaign, {}, { force: false, by: 'ann', confirm }),
        /"another" was changed while the checklist looked at it/,
      ),
    );
    assert.equal((await campaignStatus(db.database, campaign)).campaign.state, 'draft');
  });

  test('a campaign whose domain somebody removes while it is looked at is not sent, unless it is forced', async () => {
    const campaign = await makeDraft(AMBER);
    await db.database.withWorkspace(workspaceId, (tx) =>
      tx.query(sql`UPDATE campaign SET state = 'cancelled' WHERE state = 'starting'`),
    );
    const sendWithoutDomain = (force: boolean) =>
      withSurroundings({}, (around) => {
        // The content is looked at after the domain.
        const work: TemplateWorker = async (task) => {
          await db.database.withWorkspace(workspaceId, async (tx) => {
            if (await findDomain(tx, { workspaceId, domain: 'greenmill.com' }))
              await removeDomain(tx, workspaceId, 'greenmill.com');
          });
          return workHere(task);
        };
        const consent = { force, by: 'ann', confirm: async () => true };
        return launch({ ...around, work }, campaign, {}, consent);
      });
    const addAgain = () =>
      db.database.withWorkspace(workspaceId, (tx) =>
        addDomain(tx, secrets, workspaceId, 'greenmill.com', ['rsa-sha256']),
      );
    await assert.rejects(
      sendWithoutDomain(false),
      /The domain that signs for greenmill\.com was removed while the checklist looked at campaign/,
    );
    assert.equal((await campaignStatus(db.database, campaign)).campaign.state, 'draft');
    await addAgain();
    await publish();
    const { kind } = await sendWithoutDomain(true);
    assert.equal(kind, 'sent');
    await addAgain();
  });

  test('a rehearsal is sent without a question', async () => {
    const { kind, asked, overrides } = await send(RED, {}, { CAMP_MX_PORT: '2525' });
    assert.deepEqual({ kind, asked, overrides }, { kind: 'sent', asked: [], overrides: [] });
  });
});
