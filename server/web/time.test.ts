/** Times that are well written and are no instants: every endpoint that reads one says which field it is. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Heard, type TestKey, TestWeb } from '../../test/support/web.ts';
import { DEFAULT_WORKSPACE_ID, newId } from '../kernel/ids.ts';

const NO_INSTANTS = [
  '2016-12-31T23:59:60Z',
  '0000-06-01T00:00:00Z',
  '0001-01-01T00:00:00+00:01',
  '9999-12-31T23:59:59-23:59',
];

let web: TestWeb;
let key: TestKey;
let campaignId: string;

before(async () => {
  web = await TestWeb.start();
  key = await web.newKey('owner', DEFAULT_WORKSPACE_ID);
  const draft = {
    name: 'Apples',
    from: { email: 'news@acme.example' },
    template: { name: 'apples.txt', source: '---\nsubject: Apples\n---\nApples: {{ unsubscribe_url }}\n' },
  };
  const made = await web.ask('POST /v1/campaigns', { key, body: draft });
  assert.equal(made.status, 201, made.bytes.toString());
  campaignId = made.json.id;
});
after(() => web.stop());

type Ask = (time: string) => Promise<Heard>;

const inQuery =
  (line: string): Ask =>
  (time) =>
    web.ask(`${line}${encodeURIComponent(time)}`, { key });

const inBody =
  (line: string, bodyOf: (time: string) => object): Ask =>
  (time) =>
    web.ask(line, { key, body: bodyOf(time), headers: { 'idempotency-key': newId() } });

/** Each with what it answers to a time of the first year: an instant, and to most a strange one. */
const FIELDS: Record<string, [path: string, ask: Ask, first: number]> = {
  'unclassified replies': ['/query/since', inQuery('GET /v1/replies/unclassified?since='), 200],
  'messages, from': ['/query/from', inQuery('GET /v1/messages?from='), 400],
  'messages, until': ['/query/until', inQuery('GET /v1/messages?until='), 400],
  'replies judged anew': [
    '/body/since',
    inBody('POST /v1/replies/rerun', (since) => ({ since, dry_run: true })),
    200,
  ],
  'a key’s end': [
    '/body/expires_at',
    inBody('POST /v1/keys', (expires_at) => ({ name: 'a', role: 'analyst', expires_at })),
    422,
  ],
  'a campaign’s start': [
    '/body/at',
    (time) => inBody(`POST /v1/campaigns/${campaignId}/send`, (at) => ({ at }))(time),
    422,
  ],
  'deliveries sent again': [
    '/body/since',
    inBody(`POST /v1/webhooks/${newId()}/replay`, (since) => ({ since })),
    404,
  ],
};

for (const [what, [path, ask, first]] of Object.entries(FIELDS))
  test(`${what}: a time that is no instant is refused by its field`, async () => {
    for (const time of NO_INSTANTS) {
      const { status, json } = await ask(time);
      assert.deepEqual([status, json.errors?.[0].path], [400, path], time);
    }
    assert.equal((await ask('0001-01-01T00:00:00Z')).status, first);
  });

test('the last moment of the year 9999 is one', async () => {
  const body = { name: 'long', role: 'analyst', expires_at: '9999-12-31T23:59:59Z' };
  const { status, json } = await web.ask('POST /v1/keys', { key, body });
  assert.equal(status, 201);
  const { data } = (await web.ask('GET /v1/keys', { key })).json;
  const made = data.find(({ id }: { id: string }) => id === json.id);
  assert.equal(made.expires_at, '9999-12-31T23:59:59.000Z');
});
