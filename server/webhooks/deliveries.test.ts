import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { newWorkspace } from '../../test/support/accounts.ts';
import { until } from '../../test/support/campaign.ts';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import {
  deliveriesOf,
  happen,
  isSigned,
  newEndpoint,
  type Poster,
  passTime,
  Receiver,
  type Seen,
  startPosting,
} from '../../test/support/webhooks.ts';
import { listAudit } from '../accounts/audit.ts';
import { operator } from '../accounts/principal.ts';
import { newId } from '../kernel/ids.ts';
import { openScopeNames } from '../kernel/scope.ts';
import { loadSecrets, type Secrets } from '../kernel/secrets.ts';
import { sql } from '../kernel/sql.ts';
import { recordEvents } from '../outcomes/record.ts';
import { messageIdOf } from '../queue/message-ids.ts';
import { deleteEndpoint, replayFailed, replayOne, rotateSecret } from './endpoints.ts';
import type { EventType } from './event-types.ts';
import type { EndpointKey } from './queries.ts';
import { JITTER, STEPS_MS } from './schedule.ts';

let db: TestDatabase;
let secrets: Secrets;
let poster: Poster;
let receiver: Receiver;
let workspaceId: string;

before(async () => {
  db = await createTestDatabase();
  secrets = await loadSecrets(db.database, 'a secret');
  poster = await startPosting(db.database, secrets);
});
after(async () => {
  await poster.drain();
  await db.drop();
  assert.deepEqual(openScopeNames(), []);
});
beforeEach(async () => {
  receiver = await Receiver.start();
  workspaceId = await newWorkspace(db.database);
});
afterEach(() => receiver.stop());

function endpoint(events: EventType[], path = '/') {
  return newEndpoint(db.database, secrets, { workspaceId, url: receiver.url + path, events });
}

function told(of: EndpointKey): Promise<Seen[]> {
  return deliveriesOf(db.database, of);
}

function untilOnly(of: EndpointKey, what: string, holds: (delivery: Seen) => boolean): Promise<Seen> {
  return until(async () => {
    const [delivery] = await told(of);
    return delivery && holds(delivery) && delivery;
  }, what);
}

async function inWorkspace<T>(work: Parameters<typeof db.database.withWorkspace<T>>[1]): Promise<T> {
  return db.database.withWorkspace(workspaceId, work);
}

test('an endpoint hears what it asked for, signed, and nothing else; and nobody else’s', async () => {
  const { of, secret } = await endpoint(['campaign.finished']);
  const other = await newWorkspace(db.database);
  await happen(db.database, other, 'campaign.finished', { campaign_id: 'theirs' });
  await happen(db.database, workspaceId, 'campaign.paused', { campaign_id: 'a' });
  await happen(db.database, workspaceId, 'campaign.finished', { campaign_id: 'a' });
  const delivered = await untilOnly(of, 'it is delivered', ({ state }) => state === 'delivered');
  assert.equal((await told(of)).length, 1);
  const [posted, ...more] = receiver.posted;
  assert.ok(posted && more.length === 0);
  assert.ok(isSigned(posted, secret));
  assert.ok(!isSigned({ ...posted, body: `${posted.body} ` }, secret));
  assert.equal(posted.headers['webhook-id'], delivered.id);
  assert.equal(posted.headers['content-type'], 'application/json');
  assert.partialDeepStrictEqual(JSON.parse(posted.body), {
    type: 'campaign.finished',
    version: 1,
    data: { campaign_id: 'a' },
  });
  assert.partialDeepStrictEqual(delivered.attempts, [{ status: 204, error: null }]);
});

test('what happened to a message is told with its public id, and is written with the event or not at all', async () => {
  const { of } = await endpoint(['message.accepted', 'message.rejected']);
  const [campaignId, contactId] = [newId(), newId()];
  const event = { contactId, email: 'a@b.example', attempt: 1, detail: '250 ok', rule: null };
  const accepted = { ...event, kind: 'accepted', trouble: null, metAt: null };
  const rejected = {
    ...event,
    kind: 'rejected',
    trouble: null,
    metAt: { phase: 'rcpt', mxHost: null },
  } as const;
  const failing = inWorkspace(async (tx) => {
    recordEvents(tx, workspaceId, campaignId, [accepted]);
    throw new Error('it did not happen');
  });
  await assert.rejects(failing, /did not happen/);
  await inWorkspace(async (tx) => recordEvents(tx, workspaceId, campaignId, [accepted, rejected]));
  await until(async () => receiver.posted.length === 2, 'both are told');
  const payloads = receiver.posted.map(({ body }) => JSON.parse(body));
  assert.deepEqual(payloads.map(({ type }) => type).sort(), ['message.accepted', 'message.rejected']);
  assert.partialDeepStrictEqual(payloads[0].data, {
    message_id: messageIdOf({ campaignId, contactId }),
    campaign_id: campaignId,
    contact_id: contactId,
    attempt: 1,
    detail: '250 ok',
  });
  await until(async () => (await told(of)).every(({ state }) => state === 'delivered'), 'both are delivered');
});

test('ten tries, each after its step of the schedule, with the same id and bytes; then it has failed', async () => {
  const { of } = await endpoint(['import.finished']);
  receiver.answer = (response) => response.writeHead(500).end('no');
  await happen(db.database, workspaceId, 'import.finished');
  for (const [index, stepMs] of STEPS_MS.entries()) {
    if (index > 0) {
      const waiting = await untilOnly(
        of,
        `try ${index} failed`,
        ({ tries, state }) => tries === index && state === 'waiting',
      );
      const { dueInMs } = waiting;
      assert.ok(
        dueInMs !== null && dueInMs > stepMs - 2_000 && dueInMs <= stepMs * (1 + JITTER),
        `${index}: ${dueInMs}`,
      );
      await passTime(db.database, of);
    }
  }
  const failed = await untilOnly(of, 'it has failed', ({ state }) => state === 'failed');
  assert.equal(failed.attempts.length, STEPS_MS.length);
  assert.partialDeepStrictEqual(failed.attempts[9], { status: 500, reply: 'no' });
  const sent = receiver.posted.map(({ headers, body }) => `${headers['webhook-id']} ${body}`);
  assert.deepEqual([sent.length, new Set(sent).size], [10, 1]);
  assert.equal(
    STEPS_MS.reduce((sum, stepMs) => sum + stepMs, 0),
    272_105_000,
  );
});

test('a redirect is a failure, and nobody goes where it leads', async () => {
  const { of } = await endpoint(['import.finished'], '/from');
  receiver.answer = (response) => response.writeHead(302, { location: `${receiver.url}/to` }).end();
  await happen(db.database, workspaceId, 'import.finished');
  const waiting = await untilOnly(of, 'it failed', ({ tries }) => tries === 1);
  assert.match(waiting.attempts[0]?.error ?? '', /redirect/);
  assert.deepEqual(
    receiver.posted.map(({ path }) => path),
    ['/from'],
  );
});

test('an endpoint that changes the protocol has failed, and nobody waits for it', async () => {
  const { of } = await endpoint(['import.finished']);
  receiver.answer = ({ socket }) =>
    socket?.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n');
  await happen(db.database, workspaceId, 'import.finished');
  const waiting = await untilOnly(of, 'it failed', ({ tries }) => tries === 1);
  assert.match(waiting.attempts[0]?.error ?? '', /^127\.0\.0\.1:\d+: it answered in another protocol$/);
});

test('410 ends an endpoint at once: what waits for it fails, and the audit log says why', async () => {
  const { of } = await endpoint(['import.finished']);
  receiver.answer = (response) => response.writeHead(410).end();
  await happen(db.database, workspaceId, 'import.finished');
  await untilOnly(of, 'it has failed', ({ state, attempts }) => state === 'failed' && attempts.length === 1);
  await happen(db.database, workspaceId, 'import.finished');
  assert.equal((await told(of)).length, 1);
  const [entry] = await listAudit(db.database, workspaceId, { limit: 1 });
  assert.partialDeepStrictEqual(entry, { action: 'webhook.disabled', after: '{"why":"gone","failures":1}' });
});

test('an endpoint that has failed for five days is disabled; what is due of it fails without a call, and can be replayed', async () => {
  const { of } = await endpoint(['import.finished']);
  receiver.answer = (response) => response.writeHead(503).end();
  await happen(db.database, workspaceId, 'import.finished');
  await untilOnly(of, 'it failed once', ({ tries }) => tries === 1);
  const past = (days: number, failures: number) =>
    inWorkspace((tx) =>
      tx.query(sql`UPDATE webhook_endpoint SET failing_since = now() - ${days}::integer * interval '1 day',
        failures = ${failures} WHERE id = ${of.endpointId}`),
    );
  await past(6, 4);
  await passTime(db.database, of);
  await untilOnly(of, 'it failed again', ({ tries }) => tries === 2);
  await past(6, 9);
  await passTime(db.database, of);
  await untilOnly(of, 'it failed a third time', ({ tries }) => tries === 3);
  await passTime(db.database, of);
  const failed = await untilOnly(of, 'it has failed', ({ state }) => state === 'failed');
  assert.match(failed.attempts[3]?.error ?? '', /not tried: the endpoint was disabled/);
  assert.equal(receiver.posted.length, 3);
  await inWorkspace((tx) =>
    tx.query(
      sql`UPDATE webhook_endpoint SET disabled_at = NULL, disabled_for = NULL WHERE id = ${of.endpointId}`,
    ),
  );
  receiver.answer = (response) => response.writeHead(200).end();
  assert.equal(
    await inWorkspace((tx) => replayFailed({ tx, actor: operator(workspaceId) }, of.endpointId, new Date(0))),
    1,
  );
  await untilOnly(of, 'it is delivered', ({ state }) => state === 'delivered');
  const ids = new Set(receiver.posted.map(({ headers }) => headers['webhook-id']));
  assert.deepEqual([...ids], [failed.id]);
});

test('what was delivered is replayed under its id', async () => {
  const { of } = await endpoint(['import.finished']);
  await happen(db.database, workspaceId, 'import.finished');
  const { id } = await untilOnly(of, 'it is delivered', ({ state }) => state === 'delivered');
  await inWorkspace((tx) => replayOne(tx, { ...of, deliveryId: id }));
  await untilOnly(
    of,
    'it is delivered again',
    ({ state, attempts }) => state === 'delivered' && attempts.length === 2,
  );
  assert.deepEqual(
    receiver.posted.map(({ headers }) => headers['webhook-id']),
    [id, id],
  );
});

test('while a secret is replaced, whoever has the old one and whoever has the new one finds every post signed', async () => {
  const { of, secret: old } = await endpoint(['import.finished']);
  const asking = (tx: Parameters<Parameters<typeof inWorkspace>[0]>[0]) => ({
    tx,
    actor: operator(workspaceId),
  });
  const send = async () => {
    const before = receiver.posted.length;
    await happen(db.database, workspaceId, 'import.finished');
    await until(async () => receiver.posted.length > before, 'it is posted');
    return receiver.posted[before] ?? assert.fail();
  };
  assert.ok(isSigned(await send(), old));
  const { secret } = await inWorkspace((tx) => rotateSecret(asking(tx), secrets, of.endpointId));
  for (let post = 0; post < 5; post += 1) {
    const posted = await send();
    assert.deepEqual([isSigned(posted, old), isSigned(posted, secret)], [true, true]);
  }
  await inWorkspace((tx) =>
    tx.query(sql`UPDATE webhook_endpoint SET secrets = jsonb_set(secrets, '{1,until}', '"2020-01-01T00:00:00Z"')
      WHERE id = ${of.endpointId}`),
  );
  const later = await send();
  assert.deepEqual([isSigned(later, old), isSigned(later, secret)], [false, true]);
});

test('an endpoint whose secret was sealed with another CAMP_SECRET fails by itself, and is well after a rotation', async () => {
  const others = await loadSecrets(db.database, 'another secret');
  const url = receiver.url;
  const { of } = await newEndpoint(db.database, others, { workspaceId, url, events: ['import.finished'] });
  await happen(db.database, workspaceId, 'import.finished');
  const failed = await untilOnly(of, 'it has failed', ({ state }) => state === 'failed');
  assert.match(failed.attempts[0]?.error ?? '', /its secret does not open, so rotate it/);
  const actor = operator(workspaceId);
  const { secret } = await inWorkspace((tx) => rotateSecret({ tx, actor }, secrets, of.endpointId));
  await inWorkspace((tx) => replayOne(tx, { ...of, deliveryId: failed.id }));
  await untilOnly(of, 'it is delivered', ({ state }) => state === 'delivered');
  const [posted] = receiver.posted;
  assert.ok(posted && isSigned(posted, secret));
});

test('nothing more is told to an endpoint that was deleted', async () => {
  const { of } = await endpoint(['import.finished']);
  receiver.answer = (response) => response.writeHead(500).end();
  await happen(db.database, workspaceId, 'import.finished');
  await untilOnly(of, 'it failed', ({ tries }) => tries === 1);
  await inWorkspace((tx) => deleteEndpoint({ tx, actor: operator(workspaceId) }, of.endpointId));
  await happen(db.database, workspaceId, 'import.finished');
  await passTime(db.database, of);
  await untilOnly(of, 'it has failed', ({ state }) => state === 'failed');
  assert.deepEqual([receiver.posted.length, (await told(of)).length], [1, 1]);
});
