/** What is done with a campaign over HTTP: every verb in every state, and what a send promises. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { makeCampaign } from '../../test/support/campaign.ts';
import { type Heard, type TestKey, TestWeb } from '../../test/support/web.ts';
import { createDraft, findDetail } from '../campaigns/draft.ts';
import { CAMPAIGN_MOVES, CAMPAIGN_STATES, type CampaignState } from '../campaigns/states.ts';
import { type CampaignVerb, isPossible, VERB_NAMES } from '../campaigns/verbs.ts';
import { newId } from '../kernel/ids.ts';
import { sql } from '../kernel/sql.ts';

let web: TestWeb;
let key: TestKey;
let campaignId: string;

before(async () => {
  web = await TestWeb.start();
  const made = await makeCampaign(web.db.database, ['ada@city.example', 'ben@city.example']);
  key = await web.newKey('owner', made.workspaceId);
  campaignId = made.campaignId;
});

after(() => web.stop());

function ask(line: string, body?: unknown, headers: Record<string, string> = {}): Promise<Heard> {
  const withKey = line.startsWith('POST') ? { 'idempotency-key': newId(), ...headers } : headers;
  return web.ask(line, { key, headers: withKey, ...(body === undefined ? {} : { body }) });
}

/** A copy of the campaign that is in this state. */
function campaignIn(state: CampaignState, change = sql`stage = stage`): Promise<string> {
  const { workspaceId } = key;
  return web.db.database.withWorkspace(workspaceId, async (tx) => {
    const id = await createDraft(tx, workspaceId, await findDetail(tx, { workspaceId, campaignId }));
    await tx.query(sql`UPDATE campaign SET state = ${state}, ${change} WHERE id = ${id}`);
    return id;
  });
}

async function stateOf(id: string): Promise<string> {
  const { status, json } = await ask(`GET /v1/campaigns/${id}`);
  return status === 404 ? 'gone' : json.state;
}

const LATER = '2100-01-01T09:00:00Z';

/** How each verb is asked for. */
const REQUESTS: Record<CampaignVerb, (id: string) => Promise<Heard>> = {
  edit: (id) => ask(`PATCH /v1/campaigns/${id}`, { name: 'changed' }, { 'if-match': '*' }),
  send: (id) => ask(`POST /v1/campaigns/${id}/send`, {}),
  schedule: (id) => ask(`POST /v1/campaigns/${id}/send`, { at: LATER }),
  revise: (id) => ask(`POST /v1/campaigns/${id}/revise`),
  pause: (id) => ask(`POST /v1/campaigns/${id}/pause`),
  resume: (id) => ask(`POST /v1/campaigns/${id}/resume`),
  continue: (id) => ask(`POST /v1/campaigns/${id}/continue`),
  pace: (id) => ask(`POST /v1/campaigns/${id}/pace`, { max_per_hour: 500 }),
  window: (id) => ask(`POST /v1/campaigns/${id}/window`, { window: 'Mon-Fri 09:00-17:00' }),
  cancel: (id) => ask(`POST /v1/campaigns/${id}/cancel`),
  delete: (id) => ask(`DELETE /v1/campaigns/${id}`),
  duplicate: (id) => ask(`POST /v1/campaigns/${id}/duplicate`, {}),
  test: (id) => ask(`POST /v1/campaigns/${id}/test`, { to: ['me@camp.example'] }),
};

/** Moves that no person makes: campaigns/advance.ts does. */
const BY_ITSELF = [
  'starting sending',
  'starting failed',
  'sending holding',
  'sending finishing',
  'sending finished',
  'finishing finished',
  // A reply that undoes an end.
  'finishing sending',
];

describe('every verb in every state', () => {
  const moves = new Set<string>();

  for (const state of CAMPAIGN_STATES)
    test(`a campaign that is ${state} lets be done what its table says, and refuses the rest with a sentence`, async () => {
      const look = async (verb: CampaignVerb) => {
        const id = await campaignIn(state);
        const { status, json } = await REQUESTS[verb](id);
        const said = `${verb} while ${state}: ${status} ${JSON.stringify(json)}`;
        if (isPossible(verb, state)) assert.ok(status < 300, said);
        else {
          assert.equal(status, 409, said);
          assert.match(
            json.detail,
            new RegExp(
              `^Campaign "test" .* is ${state} and cannot be .*: that is possible while it is .*\\. Now it can be `,
            ),
          );
          assert.equal(await stateOf(id), state, said);
        }
        const after = await stateOf(id);
        if (after !== state && after !== 'gone') moves.add(`${state} ${after}`);
      };
      await Promise.all(VERB_NAMES.map(look));
    });

  test('together with what happens by itself they make every move of the table, and no other', async () => {
    const frozen = await campaignIn('paused', sql`frozen_list_count = 1`);
    assert.equal((await ask(`POST /v1/campaigns/${frozen}/resume`)).status, 200);
    moves.add(`paused ${await stateOf(frozen)}`);
    const table = Object.entries(CAMPAIGN_MOVES).flatMap(([from, to]) => to.map((each) => `${from} ${each}`));
    assert.deepEqual([...moves, ...BY_ITSELF].sort(), table.sort());
  });
});

describe('a send', () => {
  test('without an idempotency key is refused', async () => {
    const id = await campaignIn('draft');
    const { status, json } = await web.ask(`POST /v1/campaigns/${id}/send`, { key, body: {} });
    assert.deepEqual({ status, code: json.code }, { status: 400, code: 'idempotency-key-missing' });
    assert.equal(await stateOf(id), 'draft');
  });

  test('that is repeated with its key starts the campaign once and is answered the same', async () => {
    const id = await campaignIn('draft');
    const headers = { 'idempotency-key': newId() };
    const first = await ask(`POST /v1/campaigns/${id}/send`, {}, headers);
    assert.equal(first.status, 202);
    assert.equal(first.headers.get('location'), `/v1/campaigns/${id}/status`);
    const again = await ask(`POST /v1/campaigns/${id}/send`, {}, headers);
    assert.equal(again.headers.get('idempotent-replayed'), 'true');
    assert.deepEqual([again.status, again.bytes], [first.status, first.bytes]);
    const starts = await web.db.database.withWorkspace(key.workspaceId, (tx) =>
      tx.query<{ n: number }>(sql`SELECT count(*)::float8 AS n FROM audit_entry
        WHERE subject = ${`campaign/${id}`} AND action = 'campaign.sent'`),
    );
    assert.deepEqual(starts, [{ n: 1 }]);
  });

  test('that is repeated with another key finds that it was sent', async () => {
    const id = await campaignIn('draft');
    const answers = await Promise.all([REQUESTS.send(id), REQUESTS.send(id)]);
    assert.deepEqual(answers.map(({ status }) => status).sort(), [202, 409]);
    const refused = answers.find(({ status }) => status === 409);
    assert.match(refused?.json.detail, /is starting and cannot be sent/);
  });

  test('keeps its plan, which is shown with the ways out', async () => {
    const id = await campaignIn('draft');
    const plan = {
      at: LATER,
      timezone: 'Europe/Berlin',
      window: 'Mon-Fri 09:00-17:00',
      stages: [1, 10, 100],
      hold_seconds: null,
      halt_above: { bounces: 0.02, complaints: null },
      max_per_hour: 5_000,
    };
    assert.equal((await ask(`POST /v1/campaigns/${id}/send`, plan)).status, 202);
    const { json } = await ask(`GET /v1/campaigns/${id}/plan`);
    assert.deepEqual(json.plan, {
      scheduled_at: '2100-01-01T09:00:00.000Z',
      local_at: null,
      timezone: 'Europe/Berlin',
      window: 'Mon-Fri 09:00-17:00',
      stages: [1, 10, 100],
      hold_seconds: null,
      halt_above: { bounces: 0.02, complaints: null, deferrals: 0.3 },
      max_per_hour: 5_000,
    });
    await ask(`POST /v1/campaigns/${id}/pace`, { max_per_hour: null });
    await ask(`POST /v1/campaigns/${id}/window`, { window: null });
    const changed = (await ask(`GET /v1/campaigns/${id}/plan`)).json.plan;
    assert.deepEqual([changed.max_per_hour, changed.window], [null, null]);
    await ask(`POST /v1/campaigns/${id}/revise`);
    assert.equal((await ask(`GET /v1/campaigns/${id}/plan`)).json.plan.scheduled_at, null);
  });

  test('by a plan that cannot be meant is refused with what can, and nothing is sent', async () => {
    const id = await campaignIn('draft');
    const refused: [object, RegExp][] = [
      [{ at: '2020-01-01T00:00:00Z' }, /is in the past/],
      [{ timezone: 'Nowhere/Land' }, /"Nowhere\/Land" is not known/],
      [{ window: '9 to 5' }, /"9 to 5" cannot be used/],
      [{ stages: [10, 1, 100] }, /stages 10, 1, 100 cannot be used/],
      [{ hold_seconds: 60 }, /A hold is between stages/],
      [{ local_at: '2100-02-30T09:00' }, /"2100-02-30T09:00" cannot be used/],
      [{ local_at: '2100-01-31T09:00', stages: [1, 100] }, /cannot be combined with stages/],
    ];
    for (const [plan, sentence] of refused) {
      const { status, json } = await ask(`POST /v1/campaigns/${id}/send`, plan);
      assert.equal(status, 422, JSON.stringify(json));
      assert.match(json.detail, sentence);
    }
    assert.equal(await stateOf(id), 'draft');
  });
});
