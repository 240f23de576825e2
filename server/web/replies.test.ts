/** The reply table over HTTP: read by whoever reads messages, and run over history by who runs the installation. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type TestKey, TestWeb } from '../../test/support/web.ts';
import { DEFAULT_WORKSPACE_ID, newId } from '../kernel/ids.ts';
import { recordEvents } from '../outcomes/record.ts';
import { rules } from '../smtp/replies.ts';

let web: TestWeb;
let operator: TestKey;
let analyst: TestKey;

before(async () => {
  web = await TestWeb.start();
  operator = await web.newKey('admin', DEFAULT_WORKSPACE_ID);
  analyst = await web.newKey('analyst');
});
after(() => web.stop());

test('a reply is explained by the rule that decides, and all rules can be read', async () => {
  const body = { reply: '550 5.1.1 user unknown', phase: 'rcpt', mx: 'mx.acme.example' };
  const { status, json } = await web.ask('POST /v1/replies/explain', { key: analyst, body });
  assert.equal(status, 200);
  assert.deepEqual([json.class, json.fault, json.action], ['hard', 'recipient', 'suppress']);
  const table = (await web.ask('GET /v1/replies/rules', { key: analyst })).json.data;
  assert.equal(table.length, rules.length);
  assert.ok(table.some(({ rule }: { rule: string }) => rule === json.rule));
  const none = await web.ask('POST /v1/replies/explain', { key: analyst, body: { reply: 'user unknown' } });
  assert.deepEqual([none.status, none.json.errors[0].path], [400, '/body/reply']);
});

test('a suppression that today’s rules would not have made is shown, then undone', async () => {
  const { workspaceId } = analyst;
  const event = {
    kind: 'rejected' as const,
    contactId: newId(),
    email: 'ann@acme.example',
    attempt: 1,
    detail: '550 5.7.1 We do not like the look of this',
    rule: 'nobody-has-this-rule-any-more',
    trouble: 'dead' as const,
    metAt: { phase: 'rcpt' as const, mxHost: null },
  };
  await web.db.database.withWorkspace(workspaceId, async (tx) =>
    recordEvents(tx, workspaceId, newId(), [event]),
  );
  const rerun = (body: unknown) => web.ask('POST /v1/replies/rerun', { key: operator, body });
  const dry = await rerun({ dry_run: true });
  assert.equal(dry.status, 200, dry.bytes.toString());
  assert.deepEqual([dry.json.refusals, dry.json.undone_count], [1, 1]);
  assert.partialDeepStrictEqual(dry.json.undone, [{ workspace_id: workspaceId, email: 'ann@acme.example' }]);
  assert.equal((await rerun({})).json.undone_count, 1);
  assert.deepEqual((await rerun({})).json.undone, []);
  const unclassified = await web.ask('GET /v1/replies/unclassified', { key: operator });
  assert.equal(unclassified.status, 200);
});
