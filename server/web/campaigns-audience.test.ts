/** Whom a campaign goes to, when its segments are not what they were when it was made. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { makeCampaign } from '../../test/support/campaign.ts';
import { type Heard, type TestKey, TestWeb } from '../../test/support/web.ts';
import { AUDIENCE_CONDITIONS_MAX } from '../audience/audience-rules.ts';
import { audienceFault } from '../audience/freeze.ts';
import { CONDITIONS_MAX } from '../audience/segment-rules.ts';
import { newId } from '../kernel/ids.ts';
import { type Sql, sql } from '../kernel/sql.ts';
import { audience, checklist } from './campaigns-status.ts';
import { send } from './campaigns-verbs.ts';

let web: TestWeb;
let key: TestKey;

before(async () => {
  web = await TestWeb.start();
  const { workspaceId } = await makeCampaign(web.db.database, ['ada@city.example', 'ben@city.example']);
  key = await web.newKey('owner', workspaceId);
});

after(() => web.stop());

function ask(line: string, body?: unknown): Promise<Heard> {
  const headers = line.startsWith('POST') ? { 'idempotency-key': newId() } : {};
  return web.ask(line, { key, headers, ...(body === undefined ? {} : { body }) });
}

function change(statement: Sql): Promise<unknown> {
  return web.db.database.withWorkspace(key.workspaceId, (tx) => tx.query(statement));
}

async function newSegment(name: string, conditions: number): Promise<string> {
  const condition = { field: 'engagement', act: 'opened', in_last_days: 90 };
  const rules = { any: Array.from({ length: conditions }, () => condition) };
  const { status, json } = await ask('POST /v1/segments', { name, rules });
  assert.equal(status, 201, JSON.stringify(json));
  return json.id;
}

function newDraft(segmentIds: string[], excluded: string[] = []): Promise<Heard> {
  return ask('POST /v1/campaigns', {
    name: 'Thursday',
    from: { email: 'news@camp.example' },
    template: { name: 'hello.txt', source: '---\nsubject: Hello\n---\nHello\n' },
    audience: { segment_ids: segmentIds, exclude: { segment_ids: excluded } },
  });
}

/** All that looks at the audience says the same; gives the sentence. */
async function refusedSentence(id: string): Promise<string> {
  const heard = [
    await ask(`GET /v1/campaigns/${id}/audience`),
    await ask(`GET /v1/campaigns/${id}/checklist`),
    await ask(`POST /v1/campaigns/${id}/send`, { force: true }),
  ];
  for (const { status, json } of heard) assert.deepEqual([status, json.code], [422, 'refused']);
  const [sentence, ...others] = new Set(heard.map(({ json }) => json.detail));
  assert.deepEqual(others, []);
  return sentence;
}

test('an audience has so many conditions at most, when it is made and when its segments have grown', async () => {
  const segments = AUDIENCE_CONDITIONS_MAX / CONDITIONS_MAX;
  const full: string[] = [];
  for (let n = 1; n < segments; n += 1) full.push(await newSegment(`full ${n}`, CONDITIONS_MAX));
  const [last, one] = [await newSegment('last', CONDITIONS_MAX), await newSegment('one', 1)];
  const refused = await newDraft([...full, last], [one]);
  assert.deepEqual([refused.status, refused.json.errors[0].path], [422, '/body/audience']);
  const most = await newDraft([...full.slice(1), last], full.slice(0, 1));
  assert.equal(most.status, 201);
  for (const what of ['audience', 'checklist'])
    assert.equal((await ask(`GET /v1/campaigns/${most.json.id}/${what}`)).status, 200);
  const { id } = (await newDraft(full, [one])).json;
  await change(
    sql`UPDATE segment SET rules = jsonb_build_object('all', jsonb_build_array(rules, rules)) WHERE id = ${full[0]}`,
  );
  const sentence = await refusedSentence(id);
  assert.match(sentence, /^The segments of the audience have 501 conditions together, and 500 is the most/);
  const { workspaceId } = key;
  const fault = await web.db.database.withWorkspace(workspaceId, (tx) => audienceFault(tx, workspaceId, id));
  assert.equal(fault, sentence);
});

test('a copy of a campaign whose segment is gone is there, and says what is not', async () => {
  const segmentId = await newSegment('gone', 1);
  const { id } = (await newDraft([segmentId])).json;
  await change(sql`UPDATE campaign SET state = 'finished' WHERE id = ${id}`);
  assert.equal((await ask(`DELETE /v1/segments/${segmentId}`)).status, 204);
  const copy = (await ask(`POST /v1/campaigns/${id}/duplicate`, {})).json;
  assert.match(
    await refusedSentence(copy.id),
    new RegExp(`^There is no segment ${segmentId} any more: choose another audience`),
  );
});

test('a send looks at the whole audience: it has the time of a look, and goes first when there is too much', () => {
  for (const { load, deadlineMs } of [send, checklist, audience])
    assert.deepEqual({ load, deadlineMs }, { load: 'bulk', deadlineMs: 120_000 });
});
