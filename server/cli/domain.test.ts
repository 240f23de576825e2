/** `camp domain` as somebody runs it who sets a domain up. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { camp, type Ended } from '../../test/support/command-line.ts';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { type ScriptedDns, scriptedDns, type Zone } from '../../test/support/dns-server.ts';
import { publish } from '../../test/support/publish.ts';
import { ensureWorkspace } from '../accounts/workspaces.ts';
import { DEFAULT_WORKSPACE_ID } from '../kernel/ids.ts';
import type { CheckedRecord } from '../senders/dns-records.ts';
import { EXIT } from './exit-codes.ts';

let db: TestDatabase;
let dns: ScriptedDns;
const zone: Zone = { 'relay.example': { TXT: ['v=spf1 ip4:192.0.2.0/24 -all'] } };

before(async () => {
  db = await createTestDatabase();
  await ensureWorkspace(db.database, DEFAULT_WORKSPACE_ID, 'Default');
  dns = await scriptedDns(zone);
});
after(async () => {
  await dns.close();
  await db.drop();
});

function domain(...args: string[]): Promise<Ended> {
  return camp(['domain', ...args], {
    DATABASE_URL: db.url,
    CAMP_RESOLVER: dns.server,
    CAMP_PUBLIC_URL: 'https://mail.example.com/camp',
    CAMP_SPF: 'include:relay.example',
  });
}

function recordsOf({ json }: Ended): CheckedRecord[] {
  return json.records as CheckedRecord[];
}

test('a domain is added, published, checked and rotated', async () => {
  const added = await domain('add', 'Acme.example', '--json');
  assert.equal(added.code, EXIT.ok);
  assert.deepEqual(
    {
      ...added.json,
      records: recordsOf(added).map(({ purpose, type, name, expected, verdict }) => [
        purpose,
        type,
        name,
        purpose === 'dkim' ? '' : expected,
        verdict,
      ]),
    },
    {
      domain: 'acme.example',
      signing_domain: 'acme.example',
      ok: false,
      activated: [],
      records: [
        ['dkim', 'TXT', recordsOf(added)[0]?.name, '', 'missing'],
        ['spf', 'TXT', 'acme.example', 'v=spf1 include:relay.example ~all', 'missing'],
        ['dmarc', 'TXT', '_dmarc.acme.example', 'v=DMARC1; p=none', 'missing'],
        ['bounce', 'MX', 'bounce.acme.example', '10 mail.example.com', 'missing'],
        ['tracking', 'CNAME', 'track.acme.example', 'mail.example.com', 'missing'],
      ],
    },
  );
  for (const { zone: line } of recordsOf(added)) assert.ok(added.stderr.includes(`zone:   ${line}\n`), line);
  assert.match(added.stderr, /5 records to see to; then run `camp domain check acme\.example`/);
  assert.equal((await domain('check', 'acme.example')).code, EXIT.failed);

  publish(zone, recordsOf(added));
  const checked = await domain('check', 'acme.example', '--json');
  assert.deepEqual(
    [checked.code, checked.json.ok, checked.json.activated],
    [EXIT.ok, true, [selectorOf(added)]],
  );
  assert.match(
    checked.stderr,
    /Camp signs with camp-[0-9a-f]{8} from now on\.\n\nacme\.example is as it should be\./,
  );

  const rotated = await domain('rotate', 'acme.example', '--json');
  assert.deepEqual([rotated.code, rotated.json.ok], [EXIT.ok, false]);
  const { json } = await domain('list', '--json');
  const [listed] = json.domains as { domain: string; keys: { state: string; algorithm: string }[] }[];
  assert.equal(listed?.domain, 'acme.example');
  assert.deepEqual(
    listed?.keys.map(({ algorithm, state }) => [algorithm, state]),
    [
      ['rsa-sha256', 'active'],
      ['rsa-sha256', 'pending'],
    ],
  );
});

function selectorOf(ended: Ended): string | undefined {
  return recordsOf(ended)[0]?.name.split('.')[0];
}

test('a key that does not sign yet is retired, and a domain is removed with what is left', async () => {
  const [first] = recordsOf(await domain('add', 'gone.example', '--json'));
  const selector = first?.name.split('.')[0] ?? '';
  const only = await domain('retire', 'gone.example', selector);
  assert.equal(only.code, EXIT.usage);
  assert.match(only.stderr, /is the only key of gone\.example: make another one first/);
  await domain('add', 'gone.example', '--ed25519');
  assert.equal((await domain('retire', 'gone.example', selector)).code, EXIT.ok);
  const removed = await domain('remove', 'Gone.example', '--json');
  assert.deepEqual([removed.code, removed.json], [EXIT.ok, { domain: 'gone.example', removed: true }]);
  assert.equal((await domain('remove', 'gone.example')).code, EXIT.usage);
});

test('--resolver is asked instead of CAMP_RESOLVER', async () => {
  await using other = await scriptedDns({ 'apart.example': { TXT: ['v=spf1 -all'] } });
  const added = await domain('add', 'apart.example', '--ed25519', '--resolver', other.server, '--json');
  assert.deepEqual(
    recordsOf(added).map(({ purpose, verdict }) => `${purpose} ${verdict}`),
    ['dkim missing', 'dkim missing', 'spf wrong', 'dmarc missing', 'bounce missing', 'tracking missing'],
  );
  assert.match(added.stderr, /found: {2}v=spf1 -all\n/);
});

test('a domain that nobody added, and what is no domain, is said in one sentence', async () => {
  const cases: [args: string[], said: RegExp][] = [
    [
      ['check', 'other.example'],
      /^other\.example was not added yet: run `camp domain add other\.example`\.$/,
    ],
    [['add', 'news@acme.example'], /^"news@acme\.example" cannot be a sending domain: /],
    [['check', 'co.uk'], /^"co\.uk" is a public suffix/],
  ];
  for (const [args, said] of cases) {
    const { code, stderr } = await domain(...args);
    assert.equal(code, EXIT.usage, args.join(' '));
    assert.match(stderr.trimEnd(), said);
  }
});
