/** `camp message` as a person or a script runs it. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { camp, type Ended } from '../../test/support/command-line.ts';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { EXIT } from './exit-codes.ts';

let db: TestDatabase;
let folder: string;
before(async () => {
  db = await createTestDatabase();
  folder = await mkdtemp(join(tmpdir(), 'camp-message-'));
});
after(async () => {
  await rm(folder, { recursive: true });
  await db.drop();
});

/** To a relay on this machine that nobody runs: a rehearsal. */
const run = (...args: string[]): Promise<Ended> =>
  camp(['message', ...args], { DATABASE_URL: db.url, SMTP_URL: 'smtp://127.0.0.1:2525' });

test('an operator sends a message, finds it by its recipient, looks at it and calls it back', async () => {
  const text = join(folder, 'hello.txt');
  await writeFile(text, 'Hello Ann');
  const mail = ['--from', 'Shop <shop@acme.example>', '--to', 'Ann <ann@city.example>', '--subject', 'Hello'];
  const sent = await run('send', ...mail, '--text', text, '--attach', text, '--json');
  assert.equal(sent.code, EXIT.ok, sent.stderr);
  const { id } = sent.json as { id: string };
  const listed = await run('list', '--to', 'ANN@city.example', '--json');
  assert.partialDeepStrictEqual(listed.json.messages, [{ id, to: 'ann@city.example', state: 'queued' }]);
  assert.match(
    (await run('show', id)).stdout,
    /^From shop@acme\.example to ann@city\.example\. It waits to be sent\./,
  );
  assert.equal((await run('cancel', id)).code, EXIT.ok);
  const again = await run('cancel', id);
  assert.deepEqual(
    [again.code, again.stderr.split('.')[0]],
    [EXIT.usage, 'It was called back before it was sent'],
  );
});

test('what cannot be is said in one sentence', async () => {
  const mail = ['--from', 'shop@acme.example', '--to', 'ann@city.example'];
  const cases: [args: string[], said: RegExp][] = [
    [
      ['send', ...mail, '--subject', 'Hello'],
      /^There is neither text nor html: give at least one of them\.$/,
    ],
    [['show', 'abc'], /^"abc" is not the id of a message/],
    [['retry', 'A'.repeat(43)], /^There is no message A+ in this workspace\.$/],
    [['list', '--state', 'lost'], /^--state is "lost", but must be one of: queued, /],
  ];
  for (const [args, said] of cases) {
    const { code, stderr } = await run(...args);
    assert.equal(code, EXIT.usage, args.join(' '));
    assert.match(stderr.trim(), said);
  }
});
