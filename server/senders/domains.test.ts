/** From `camp domain add` to a signature that receivers verify, on a real DNS server and a real database. */
import assert from 'node:assert/strict';
import { createPublicKey } from 'node:crypto';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { dkimVerify } from 'mailauth/lib/dkim/verify.js';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { type ScriptedDns, scriptedDns, type Zone } from '../../test/support/dns-server.ts';
import { explained } from '../../test/support/explain.ts';
import { publish } from '../../test/support/publish.ts';
import type { Tx } from '../kernel/database.ts';
import { newId } from '../kernel/ids.ts';
import { Scope } from '../kernel/scope.ts';
import { SealBroken, Secrets } from '../kernel/secrets.ts';
import { sql } from '../kernel/sql.ts';
import { type DkimKey, signDkim } from '../smtp/dkim.ts';
import { Resolver } from '../smtp/dns.ts';
import type { CheckedRecord } from './dns-records.ts';
import { addDomain, checkDomain, dkimKeysOf, domainPage, rotateDomain } from './domains.ts';
import * as queries from './queries.ts';

const BOTH = ['rsa-sha256', 'ed25519-sha256'] as const;
const INSTALLATION = { publicHost: 'mail.example.com', spf: ['include:relay.example'] };
const secrets = new Secrets('a secret');

let db: TestDatabase;
let dns: ScriptedDns;
let zone: Zone;
let workspaceId: string;

before(async () => {
  db = await createTestDatabase();
});
after(() => db.drop());
beforeEach(async () => {
  workspaceId = newId();
  zone = { 'relay.example': { TXT: ['v=spf1 ip4:192.0.2.0/24 -all'] } };
  dns = await scriptedDns(zone);
});
afterEach(() => dns.close());

function within<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
  return db.database.withWorkspace(workspaceId, work);
}

function rotate(): Promise<string> {
  return within((tx) => rotateDomain(tx, secrets, workspaceId, 'acme.example'));
}

function all() {
  return within((tx) => domainPage(tx, workspaceId, null, 100));
}

/** A resolver of its own each time: what was published a moment ago is seen. */
async function check(domain = 'acme.example') {
  await using scope = Scope.root('test');
  const resolver = new Resolver({ servers: [dns.server], triesMs: [200] });
  const options = { scope, resolver, database: db.database, workspaceId, installation: INSTALLATION };
  const found = await checkDomain(options, domain);
  assert.equal(found.kind, 'checked');
  return found;
}

function add(domain = 'acme.example', algorithms: readonly DkimKey['algorithm'][] = ['rsa-sha256']) {
  return within((tx) => addDomain(tx, secrets, workspaceId, domain, algorithms));
}

function keysOf(domain: string): Promise<DkimKey[]> {
  return db.database.withWorkspace(workspaceId, (tx) => dkimKeysOf(tx, secrets, workspaceId, domain));
}

async function states(): Promise<string[]> {
  const [domain] = await all();
  return domain?.keys.map(({ algorithm, state }) => `${algorithm} ${state}`) ?? [];
}

function verdicts({ records }: { records: CheckedRecord[] }): string[] {
  return records.map(
    ({ purpose, verdict, required }) => `${purpose} ${verdict}${required ? ' required' : ''}`,
  );
}

test('a new domain signs nothing until its records are in the DNS; then a receiver verifies what Camp signs', async () => {
  await add('ACME.example', BOTH);
  const before = await check();
  assert.deepEqual(verdicts(before), [
    'dkim missing required',
    'dkim missing',
    'spf missing required',
    'dmarc missing required',
    'bounce missing',
    'tracking missing',
  ]);
  for (const { advice } of before.records) assert.match(advice ?? '', /^Publish this record[ ,:]/);
  assert.deepEqual(await keysOf('acme.example'), []);

  publish(zone, before.records);
  const found = await check();
  assert.deepEqual([...new Set(found.records.map(({ verdict }) => verdict))], ['ok']);
  assert.equal(found.activated.length, 2);
  for (const { advice, found: texts, expected } of found.records)
    assert.deepEqual([advice, texts], [null, [expected]]);
  assert.deepEqual((await check()).activated, []);

  const signed = await signDkim('From: news@acme.example\r\n\r\nHello\r\n', await keysOf('acme.example'));
  const resolver = async (name: string) => (zone[name]?.TXT ?? []).map((strings) => [strings].flat());
  const { results } = await dkimVerify(signed, { strict: true, resolver });
  assert.deepEqual(
    results.map(({ algo, status }) => `${algo} ${status.result}`),
    ['rsa-sha256 pass', 'ed25519-sha256 pass'],
  );
});

test('a domain that was added twice, also at the same moment, keeps the keys of the first time', async () => {
  await Promise.all([add(), add(), add()]);
  const [first] = await all();
  assert.equal(first?.keys.length, 1);
  await add();
  assert.deepEqual(await all(), [first]);
  await add('acme.example', BOTH);
  assert.deepEqual(await states(), ['rsa-sha256 pending', 'ed25519-sha256 pending']);
});

test('a rotated key signs until the new one is seen in the DNS, and then never again', async () => {
  await add('acme.example', BOTH);
  publish(zone, (await check()).records);
  await check();
  const [old] = await keysOf('acme.example');

  await rotate();
  await rotate();
  const waiting = await check();
  assert.deepEqual(verdicts(waiting).slice(0, 4), [
    'dkim ok required',
    'dkim ok required',
    'dkim missing',
    'dkim missing',
  ]);
  assert.equal((await keysOf('acme.example'))[0]?.selector, old?.selector);

  publish(
    zone,
    waiting.records.filter(({ verdict }) => verdict === 'missing'),
  );
  assert.equal((await check()).activated.length, 2);
  const [current, ...others] = await keysOf('acme.example');
  assert.notEqual(current?.selector, old?.selector);
  assert.equal(others.length, 1);
  assert.deepEqual(await states(), [
    'rsa-sha256 active',
    'ed25519-sha256 active',
    'rsa-sha256 retiring',
    'ed25519-sha256 retiring',
  ]);
  const kept = await db.database.withWorkspace(workspaceId, (tx) =>
    tx.query(
      sql`SELECT selector FROM dkim_key WHERE selector = ${old?.selector} AND private_key IS NOT NULL`,
    ),
  );
  assert.deepEqual(kept, []);
});

test('the record of an old key is asked for while its mail is under way, and then asked away', async () => {
  await add();
  publish(zone, (await check()).records);
  await check();
  await rotate();
  publish(zone, (await check()).records);
  await check();
  const old = (await check()).records[1];
  const name = old?.name ?? '';
  assert.deepEqual([old?.verdict, old?.required, old?.advice], ['ok', false, null]);
  const { [name]: published, ...without } = zone;
  delete zone[name];
  const missing = (await check()).records[1];
  const in7Days = new Date(Date.now() + 7 * 86_400_000).toISOString().slice(0, 10);
  assert.deepEqual(
    [missing?.verdict, missing?.advice],
    ['missing', `Publish it again until ${in7Days}: mail that was signed with it is under way.`],
  );

  await db.database.withWorkspace(workspaceId, (tx) =>
    tx.query(sql`UPDATE dkim_key SET retiring_at = now() - interval '8 days' WHERE state = 'retiring'`),
  );
  Object.assign(zone, without, { [name]: published });
  const leftover = (await check()).records[1];
  assert.deepEqual(
    [leftover?.verdict, leftover?.advice],
    ['ok', 'Nothing under way needs this record any more: take it away.'],
  );
  zone[name] = { fails: 'SERVFAIL' };
  assert.equal((await check()).records[1]?.verdict, 'unknown');
  assert.equal((await states()).length, 2);
  delete zone[name];
  assert.deepEqual((await check()).records.map(({ purpose }) => purpose).slice(0, 2), ['dkim', 'spf']);
  assert.deepEqual(await states(), ['rsa-sha256 active']);
});

test('two checks at the same moment change keys once', async () => {
  await add();
  publish(zone, (await check()).records);
  await check();
  await rotate();
  publish(zone, (await check()).records.slice(0, 2));
  const checks = await Promise.all([check(), check(), check()]);
  assert.equal(checks.flatMap(({ activated }) => activated).length, 1);
  assert.deepEqual(await states(), ['rsa-sha256 active', 'rsa-sha256 retiring']);
});

test('a domain below one that was added is signed for by its parent; an organization apart is not', async () => {
  await add('acme.example');
  await add('news.acme.example');
  const { records } = await check('acme.example');
  publish(zone, records);
  await check('acme.example');
  // The nearest parent that can sign does; the one in between waits for its record.
  assert.deepEqual(
    (await keysOf('a.news.acme.example')).map(({ domain }) => domain),
    ['acme.example'],
  );
  assert.deepEqual(await keysOf('other.example'), []);
  publish(
    zone,
    (await check('news.acme.example')).records.filter(({ purpose }) => purpose === 'dkim'),
  );
  const below = await check('a.news.acme.example');
  assert.equal(below.signingDomain, 'news.acme.example');
  assert.deepEqual(below.records.map(({ name }) => name).slice(1), [
    'a.news.acme.example',
    '_dmarc.a.news.acme.example',
    'bounce.news.acme.example',
    'track.news.acme.example',
  ]);
  assert.deepEqual(
    (await keysOf('a.news.acme.example')).map(({ domain }) => domain),
    ['news.acme.example'],
  );
});

test('what nobody added is not checked, not rotated, and not signed for; nor is what another workspace added', async () => {
  await add();
  workspaceId = newId();
  await using scope = Scope.root('test');
  const resolver = new Resolver({ servers: [dns.server] });
  const options = { scope, resolver, database: db.database, workspaceId, installation: INSTALLATION };
  assert.deepEqual(await checkDomain(options, 'acme.example'), { kind: 'not-added', domain: 'acme.example' });
  await assert.rejects(rotate(), {
    name: 'DomainRefused',
    message: 'acme.example was not added yet: run `camp domain add acme.example`.',
  });
  assert.deepEqual(await keysOf('acme.example'), []);
});

test('a private key is sealed in the database, and opens only where it belongs', async () => {
  await add('acme.example', BOTH);
  publish(zone, (await check()).records);
  await check();
  const rows = await db.database.withWorkspace(workspaceId, (tx) =>
    tx.query<{ private_key: string; public_key: string }>(sql`SELECT private_key, public_key FROM dkim_key`),
  );
  for (const { private_key } of rows) assert.match(private_key, /^v1\./);
  const [rsa] = await keysOf('acme.example');
  assert.equal(rsa?.key.asymmetricKeyDetails?.modulusLength, 2_048);
  const publicKey = createPublicKey(rsa!.key).export({ type: 'spki', format: 'der' }).toString('base64');
  assert.ok(rows.some(({ public_key }) => public_key === publicKey));

  await db.database.withWorkspace(workspaceId, (tx) =>
    tx.query(
      sql`UPDATE dkim_key k SET private_key = o.private_key FROM dkim_key o WHERE o.selector <> k.selector`,
    ),
  );
  await assert.rejects(keysOf('acme.example'), SealBroken);
});

test('the keys of a domain are found by their index, among those of thousands', async () => {
  await db.database.withWorkspace(workspaceId, (tx) =>
    tx.query(sql`
      INSERT INTO dkim_key (workspace_id, domain, selector, algorithm, public_key, private_key, state)
      SELECT ${workspaceId}, n || '.example', 'camp-1', 'rsa-sha256', 'key', 'sealed', 'active'
      FROM generate_series(1, 5000) n`),
  );
  await db.database.withOwner((tx) => tx.query(sql`ANALYZE dkim_key`));
  const [plan = ''] = await db.database.withWorkspace(workspaceId, (tx) =>
    explained(tx, (explaining) => queries.signingKeys(explaining, workspaceId, ['a.7.example', '7.example'])),
  );
  assert.equal(plan.match(/Index (Only )?Scan (Backward )?using dkim_key_/g)?.length, 2, plan);
  assert.doesNotMatch(plan, /Seq Scan/);
});

test('a domain that needs more than ten retiring keys at once has to wait', async () => {
  await add();
  for (let times = 0; times < 11; times += 1) {
    publish(zone, (await check()).records);
    await check();
    if (times < 10) await rotate();
  }
  assert.equal((await states()).filter((state) => state.endsWith('retiring')).length, 10);
  await assert.rejects(rotate(), { name: 'DomainRefused', message: /has 10 keys that are retiring/ });
});

test('pages of domains begin behind a name along the key, and campaigns that are under way are found by their state', async () => {
  await within(async (tx) => {
    await tx.query(sql`INSERT INTO sending_domain (workspace_id, domain)
      SELECT ${workspaceId}, n || '.example' FROM generate_series(1, 5000) n`);
    await tx.query(sql`INSERT INTO campaign (workspace_id, id, name, state, list_ids, from_email, template_name, template_body)
      SELECT ${workspaceId}, gen_random_uuid(), 'old', 'finished', '{}', 'news@acme.example', '', ''
      FROM generate_series(1, 5000) n`);
  });
  await db.database.withOwner((tx) => tx.query(sql`ANALYZE sending_domain, campaign`));
  const [page = '', inStates = ''] = await within((tx) =>
    explained(tx, async (explaining) => {
      await queries.domainPage(explaining, workspaceId, '7.example', 50);
      await queries.fromDomainsInStates(explaining, workspaceId, ['scheduled', 'sending']);
    }),
  );
  assert.match(page, /Index Scan using sending_domain_pkey/, page);
  assert.doesNotMatch(page, /Sort/, page);
  assert.match(inStates, /campaign_of_state/, inStates);
});
