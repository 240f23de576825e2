/** Sending from the command line: what is asked, what is refused, and what is written down. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { camp, type Ended } from '../../test/support/command-line.ts';
import { createTestDatabase } from '../../test/support/database.ts';
import { EXIT } from './exit-codes.ts';

const { url, drop } = await createTestDatabase();
const folder = await mkdtemp(join(tmpdir(), 'camp-send-'));
after(async () => {
  await drop();
  await rm(folder, { recursive: true });
});

const TEMPLATE = join(import.meta.dirname, '../../examples/plain.txt');
/** Nothing is sent to it: no worker runs. */
const ENV = {
  DATABASE_URL: url,
  SMTP_URL: 'smtp://relay.acme.com',
  CAMP_PUBLIC_URL: 'https://mail.acme.com',
};

function run(...args: string[]): Promise<Ended> {
  return camp([...args, '--json'], ENV);
}

async function create(from: string, ...flags: string[]): Promise<string> {
  const made = ['--name', 'Thursday', '--template', TEMPLATE, '--from', from, '--list', 'News', ...flags];
  const { code, json, stderr } = await run('campaign', 'create', ...made);
  assert.equal(code, 0, stderr);
  return String(json.id);
}

function idsOf(items: unknown): string[] {
  assert.ok(Array.isArray(items));
  return items.map((item: { id: string; verdict: string }) => `${item.id} ${item.verdict}`);
}

const contacts = join(folder, 'contacts.csv');
await writeFile(contacts, 'email,name\nada@acme.example,Ada\n');
await run('migrate');
await run('import', contacts, '--list', 'News');

test('a script that did not say yes gets the list and its own exit code, and the draft stays', async () => {
  const id = await create('hello@greenmill.com');
  const { code, json, stderr } = await run('campaign', 'send', id);
  assert.equal(code, EXIT.unconfirmed);
  assert.equal(json.exit_code, EXIT.unconfirmed);
  assert.deepEqual(idsOf(json.items), ['postal-address amber']);
  assert.match(stderr, /postal address[\s\S]*was not sent: 1 check of it .* Say --yes/);
  const checked = await run('campaign', 'check', id);
  assert.deepEqual(
    { code: checked.code, verdict: checked.json.verdict, rehearsal: checked.json.rehearsal },
    { code: EXIT.ok, verdict: 'amber', rehearsal: false },
  );
  const sent = await run('campaign', 'send', id, '--yes', '--stages', '10%,100%', '--max-per-hour', '100');
  assert.equal(sent.code, 0, sent.stderr);
  const { json: status } = await run('campaign', 'status', id);
  assert.deepEqual(
    { state: status.state, stage: status.stage, perHour: status.max_per_hour, overrides: status.overrides },
    { state: 'starting', stage: { number: 1, stages: [10, 100] }, perHour: 100, overrides: [] },
  );
});

test('a failed check stops it, yes is not enough, and who forces it stands in the status', async () => {
  const id = await create('green.mill@gmail.com', '--postal-address', '4 Mill Lane, Little Harbury');
  const { code, json } = await run('campaign', 'send', id, '--yes');
  assert.equal(code, EXIT.usage);
  assert.deepEqual(idsOf(json.items), ['sender red']);
  assert.equal((await run('campaign', 'check', id)).code, EXIT.failed);
  const forced = await run('campaign', 'send', id, '--force');
  assert.equal(forced.code, 0, forced.stderr);
  const { stderr } = await run('campaign', 'status', id);
  assert.match(stderr, new RegExp(` on ${hostname()} sent it against the checklist on .*: sender\\.`));
});

test('a template that prints the postal address wants one', async () => {
  const template = join(folder, 'address.txt');
  await writeFile(template, '---\nsubject: Hi\n---\n{{ postal_address }}\n{{ unsubscribe_url }}\n');
  const made = [
    'campaign',
    'create',
    '--name',
    'x',
    '--list',
    'News',
    '--template',
    template,
    '--from',
    'a@b.com',
  ];
  const { code, stderr } = await run(...made);
  assert.equal(code, EXIT.usage);
  assert.match(stderr, /^address\.txt line 4: there is no postal address to print; say --postal-address/);
});
