import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { camp } from '../../test/support/command-line.ts';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { ensureWorkspace } from '../accounts/workspaces.ts';
import { newId } from '../kernel/ids.ts';
import { recordEvents } from '../outcomes/record.ts';
import { rules } from '../smtp/replies.ts';
import { EXIT } from './exit-codes.ts';

let db: TestDatabase;
const workspaceId = newId();

before(async () => {
  db = await createTestDatabase();
  await ensureWorkspace(db.database, workspaceId, 'test');
});
after(() => db.drop());

function replies(...args: string[]) {
  return camp(['replies', ...args, '--json'], { DATABASE_URL: db.url });
}

test('a reply is explained: whose fault, how long, what follows, by which rule', async () => {
  const line = "550-5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent.\n550 5.7.1 (S3150)";
  const { code, json } = await replies(
    'explain',
    line,
    '--phase',
    'mail',
    '--mx',
    'x.olc.protection.outlook.com',
  );
  assert.equal(code, EXIT.ok);
  assert.deepEqual(json, {
    class: 'block',
    fault: 'source',
    duration: 'permanent',
    action: 'suspend',
    action_seconds: 21_600,
    wait_seconds: null,
    suppress_after: null,
    rule: 'outlook-block-list',
    source: 'https://sendersupport.olc.protection.outlook.com/pm/troubleshooting.aspx',
    phase: 'mail',
    mx: 'x.olc.protection.outlook.com',
  });
});

test('without more being said it is a relay’s, to RCPT; its wait, and how often an address may fail, are told', async () => {
  const { json } = await replies('explain', '452 4.2.2 mailbox full, try again in 2 minutes');
  assert.deepEqual([json.class, json.phase, json.mx], ['soft', 'rcpt', null]);
  assert.deepEqual([json.wait_seconds, json.suppress_after], [120, { campaigns: 5, days: 14 }]);
});

test('what is no reply is refused with a sentence', async () => {
  const { code, stderr } = await replies('explain', 'user unknown');
  assert.equal(code, EXIT.usage);
  assert.match(stderr, /^"user unknown" is not a reply: it begins with its code/);
});

test('a wrong suppression is undone and named; a dry run only names it', async () => {
  const wrong = {
    email: 'ann@acme.example',
    detail: '550 5.7.1 No',
    rule: 'of-long-ago',
    trouble: 'dead' as const,
  };
  const novel = {
    email: 'bob@acme.example',
    detail: '550 The hamster is asleep',
    rule: 'unclassified',
    trouble: null,
  };
  const metAt = { phase: 'rcpt' as const, mxHost: 'mx.acme.example' };
  await db.database.withWorkspace(workspaceId, async (tx) =>
    recordEvents(
      tx,
      workspaceId,
      newId(),
      [wrong, novel].map((each) => ({ ...each, contactId: newId(), kind: 'rejected', attempt: 1, metAt })),
    ),
  );
  const undone = [{ workspace: workspaceId, email: 'ann@acme.example', was: 'of-long-ago', now: 'policy' }];
  const [dry, wet] = [await replies('rerun', '--dry-run'), await replies('rerun')];
  assert.deepEqual([dry.json.undone, dry.json.dry_run], [undone, true]);
  assert.match(
    dry.stderr,
    /^ann@acme\.example: would leave the suppression list; was of-long-ago, is policy now$/m,
  );
  assert.deepEqual([wet.json.undone, wet.json.dry_run], [undone, false]);
  const { json } = await replies('unclassified', '--since', '2020-01-01');
  const [kind] = json.templates as Record<string, unknown>[];
  assert.deepEqual([kind?.template, kind?.count], ['550 The hamster is asleep', 1]);
});

test('the manual names every class and every action of the table', async () => {
  const manual = await readFile(join(import.meta.dirname, '../../docs/cli.md'), 'utf8');
  const rows = manual.split('| class | what it is | action |')[1]?.split('\n\n')[0] ?? '';
  for (const { class: kind, action } of rules)
    for (const word of [kind, action?.kind ?? 'retry']) assert.ok(rows.includes(`\`${word}\``), word);
});
