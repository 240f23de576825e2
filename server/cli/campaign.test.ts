import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { camp, type Ended } from '../../test/support/command-line.ts';
import { createTestDatabase } from '../../test/support/database.ts';
import { Database } from '../kernel/database.ts';
import { DEFAULT_WORKSPACE_ID } from '../kernel/ids.ts';
import { sql } from '../kernel/sql.ts';
import { MESSAGE_STATES } from '../queue/states.ts';
import { EXIT } from './exit-codes.ts';

const { url, drop } = await createTestDatabase();
const folder = await mkdtemp(join(tmpdir(), 'camp-campaign-'));
after(async () => {
  await drop();
  await rm(folder, { recursive: true });
});

const TEMPLATE = join(import.meta.dirname, '../../examples/plain.txt');
const FROM = 'Green Mill Farm <hello@greenmill.example>';

async function file(name: string, content: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

function run(...args: string[]): Promise<Ended> {
  return camp([...args, '--json'], { DATABASE_URL: url });
}

async function done(...args: string[]): Promise<Record<string, unknown>> {
  const { code, json, stdout, stderr } = await run(...args);
  assert.equal(code, 0, stderr);
  assert.equal(stdout, `${JSON.stringify(json)}\n`, 'what is for people goes to standard error');
  return json;
}

async function refusal(...args: string[]): Promise<string> {
  const { code, stderr } = await run(...args);
  assert.equal(code, EXIT.usage, stderr);
  assert.equal(stderr.trimEnd().split('\n').length, 1);
  return stderr;
}

function create(...flags: string[]): string[] {
  return ['campaign', 'create', '--name', 'Thursday', '--template', TEMPLATE, '--from', FROM, ...flags];
}

await done('migrate');
const contacts = await file(
  'contacts.csv',
  'email,name,town\nada@example.com,Ada,Köln\nben@example.com,Ben,\nada@example.com,Ada,Köln\nbroken@,Cy,Bonn\n',
);
const imported = await done('import', contacts, '--list', 'News', '--map', 'city=town');

test('an import says what became of every row', () => {
  const { records, created, updated, unchanged, duplicates, rejected, rejectsFile } = imported;
  assert.deepEqual(
    { records, created, updated, unchanged, duplicates, rejected, rejectsFile },
    {
      records: 4,
      created: 2,
      updated: 0,
      unchanged: 0,
      duplicates: 1,
      rejected: 1,
      rejectsFile: `${contacts}.rejects.csv`,
    },
  );
});

test('an import of which no row could be used has failed', async () => {
  const useless = await file('useless.csv', 'email\nnobody\nnothing\n');
  const { code, json, stderr } = await run('import', useless, '--list', 'Useless');
  assert.deepEqual({ code, rejected: json.rejected }, { code: EXIT.failed, rejected: 2 });
  const [headline] = stderr.split('\n');
  assert.equal(headline, `Nothing was imported, because every row was rejected: see ${useless}.rejects.csv.`);
});

test('a dry run changes nothing', async () => {
  const more = await file('more.csv', 'email\ncleo@example.com\n');
  const { created, dryRun } = await done('import', more, '--list', 'Unmade', '--dry-run');
  assert.deepEqual({ created, dryRun }, { created: 1, dryRun: true });
  assert.match(await refusal(...create('--list', 'Unmade')), /There is no list "Unmade"/);
});

test('a file that cannot be imported is refused in one sentence', async () => {
  assert.match(await refusal('import', join(folder, 'none.csv'), '--list', 'News'), /none\.csv/);
  const headless = await file('headless.csv', 'ada@example.com,Ada\n');
  assert.match(await refusal('import', headless, '--list', 'News'), /The first line must name the columns/);
  assert.match(
    await refusal('import', contacts, '--list', 'News', '--map', 'city'),
    /--map "city" cannot be used/,
  );
  assert.match(
    await refusal('import', contacts, '--list', 'News', '--type', 'town=date'),
    /--type town is "date"/,
  );
});

test('a list without a name is not made', async () => {
  assert.match(await refusal('import', contacts, '--list', ''), /^--list is empty/);
});

test('a campaign is made, listed and shown with an audience of nobody yet', async () => {
  const { id } = await done(...create('--list', 'News'));
  assert.match(String(id), /^[0-9a-f-]{36}$/);
  const counts = Object.fromEntries(MESSAGE_STATES.map((state) => [state, 0]));
  const expected = { id, name: 'Thursday', state: 'draft', audience: 0 };
  const quiet = {
    routes: [],
    reason: null,
    stage: null,
    waits: null,
    max_per_hour: null,
    overrides: [],
    breakdown: null,
  };
  assert.deepEqual(await done('campaign', 'status', String(id)), { ...expected, counts, ...quiet });
  const { campaigns } = await done('campaign', 'list');
  assert.ok(Array.isArray(campaigns));
  assert.deepEqual(campaigns[0], expected);
});

test('a campaign goes to segments as well as lists, and not to those who are excepted', async () => {
  const rules = await file(
    'cologne.json',
    '{"all": [{"field": "attribute", "name": "city", "type": "text", "op": "equals", "value": "Köln"}]}',
  );
  const { id: segment } = await done('segment', 'create', 'Cologne', '--rules', rules);
  const { id } = await done(...create('--segment', 'Cologne', '--except-list', 'News'));
  const { id: other } = await done(...create('--list', 'News', '--except-segment', 'Cologne'));
  const database = new Database(url);
  const rows = await database.withWorkspace(DEFAULT_WORKSPACE_ID, (tx) =>
    tx.query(sql`SELECT id, segment_ids, excluded_segment_ids, cardinality(excluded_list_ids) AS lists
      FROM campaign WHERE id = ANY(${[id, other]}::uuid[]) ORDER BY id`),
  );
  await database.close();
  assert.deepEqual(rows, [
    { id, segment_ids: [segment], excluded_segment_ids: [], lists: 1 },
    { id: other, segment_ids: [], excluded_segment_ids: [segment], lists: 0 },
  ]);
  assert.match(await refusal(...create('--except-list', 'News')), /--list NAME or --segment NAME/);
  assert.match(await refusal(...create('--segment', 'Bonn')), /Bonn/);
});

test('for people, create prints the id alone, so that a shell can keep it', async () => {
  const { code, stdout } = await camp(create('--list', 'News'), { DATABASE_URL: url });
  assert.equal(code, 0);
  assert.match(stdout, /^[0-9a-f-]{36}\n$/);
});

test('a list that is not there is answered with the lists that are', async () => {
  assert.match(
    await refusal(...create('--list', 'Nobody')),
    /There is no list "Nobody": there (is|are) .*"News"/,
  );
});

test('a sender that cannot be one is refused', async () => {
  const sender = (from: string) => refusal(...create('--list', 'News', '--from', from));
  assert.match(await sender('Green Mill'), /--from "Green Mill" cannot be used, because it has no @/);
  assert.match(await sender('A <b@c>'), /the part after the @ has no dot/);
});

test('a template that asks for what nobody has is refused, with the line', async () => {
  const subject = '---\nsubject: Hello\n---\n';
  const unknown = await file('unknown.txt', `${subject}You like {{ contact.fruit }}.\n`);
  assert.match(
    await refusal(...create('--list', 'News', '--template', unknown)),
    /^unknown\.txt line 4: nobody who is subscribed has "contact\.fruit"; give it a default/,
  );
  const endless = await file('endless.txt', `${subject}{% for i in (1..1000000000) %}x{% endfor %}\n`);
  assert.match(await refusal(...create('--list', 'News', '--template', endless)), /^endless\.txt: the loops/);
  const known = await file(
    'known.txt',
    `${subject}{{ city }}, {{ fruit | default: "apples" }}, {{ email }}\n`,
  );
  await done(...create('--list', 'News', '--template', known));
});

test('a campaign is sent, held, let go and cancelled, and says when that is not possible', async () => {
  const { id } = await done(...create('--list', 'News'));
  const campaign = (verb: string, ...flags: string[]) => ['campaign', verb, String(id), ...flags];
  const state = async () => (await done(...campaign('status'))).state;
  assert.match(await refusal(...campaign('pause')), /is draft and cannot be paused/);
  await done(...campaign('send'));
  assert.equal(await state(), 'starting');
  await done(...campaign('pause'));
  assert.equal(await state(), 'paused');
  await done(...campaign('resume'));
  assert.equal(await state(), 'starting');
  await done(...campaign('cancel'));
  assert.equal(await state(), 'cancelled');
  assert.match(await refusal(...campaign('send')), /is cancelled and cannot be sent/);
});

test('a scheduled campaign gets another speed and window, and can be taken back', async () => {
  const { id } = await done(...create('--list', 'News'));
  await done('campaign', 'send', String(id), '--at', '2100-01-01T09:00:00Z');
  const look = async () => done('campaign', 'status', String(id));
  await done('campaign', 'pace', String(id), '500');
  assert.equal((await look()).max_per_hour, 500);
  await done('campaign', 'pace', String(id), 'off');
  assert.equal((await look()).max_per_hour, null);
  assert.match(await refusal('campaign', 'pace', String(id), 'fast'), /The pace is "fast", but must be/);
  await done('campaign', 'window', String(id), 'Mon-Fri 09:00-17:00', '--timezone', 'Europe/Berlin');
  assert.match(await refusal('campaign', 'window', String(id), 'whenever'), /"whenever" cannot be used/);
  await done('campaign', 'revise', String(id));
  assert.equal((await look()).state, 'draft');
  assert.match(await refusal('campaign', 'pace', String(id), '500'), /is draft and cannot be slowed down/);
});

test('a campaign can be sent at a time', async () => {
  const { id } = await done(...create('--list', 'News'));
  assert.match(
    await refusal('campaign', 'send', String(id), '--at', 'tomorrow'),
    /--at "tomorrow" cannot be used/,
  );
  assert.match(
    await refusal('campaign', 'send', String(id), '--at', '2020-01-31T09:00:00Z'),
    /--at "2020-01-31T09:00:00Z" is in the past/,
  );
  assert.equal((await done('campaign', 'status', String(id))).state, 'draft');
  await done('campaign', 'send', String(id), '--at', '2100-01-01T09:00:00Z');
  assert.equal((await done('campaign', 'status', String(id))).state, 'scheduled');
});

test('a campaign of another workspace is not there', async () => {
  const { id } = await done(...create('--list', 'News'));
  const other = '00000000-0000-7000-8000-000000000002';
  assert.match(await refusal('campaign', 'status', String(id), '--workspace', other), /There is no campaign/);
});
