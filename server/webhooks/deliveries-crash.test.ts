/** A worker that dies or was declared dead, and endpoints that never answer. */
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { newWorkspace } from '../../test/support/accounts.ts';
import { until } from '../../test/support/campaign.ts';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { zombieWrites } from '../../test/support/jobs.ts';
import { Installation } from '../../test/support/processes.ts';
import { deliveriesOf, happen, newEndpoint, Receiver, startPosting } from '../../test/support/webhooks.ts';
import { openScopeNames } from '../kernel/scope.ts';
import { loadSecrets, type Secrets } from '../kernel/secrets.ts';
import { sql } from '../kernel/sql.ts';
import { Resolver } from '../smtp/dns.ts';
import { recoverDeliveriesOf } from './deliveries.ts';

const SECRET = 'a secret';

let db: TestDatabase;
let secrets: Secrets;
let receiver: Receiver;
let workspaceId: string;

before(async () => {
  db = await createTestDatabase();
  secrets = await loadSecrets(db.database, SECRET);
});
after(async () => {
  await db.drop();
  assert.deepEqual(openScopeNames(), []);
});
beforeEach(async () => {
  receiver = await Receiver.start();
  workspaceId = await newWorkspace(db.database);
});
afterEach(() => receiver.stop());

function endpoint(path: string) {
  return newEndpoint(db.database, secrets, {
    workspaceId,
    url: receiver.url + path,
    events: ['import.finished'],
  });
}

function recover(workerId: string): Promise<unknown> {
  return db.database.withWorkspace(workspaceId, (tx) => recoverDeliveriesOf(tx, workspaceId, workerId));
}

function ids(): unknown[] {
  return receiver.posted.map(({ headers }) => headers['webhook-id']);
}

test('what `camp worker` was posting when it was killed is posted again, with the same webhook-id', async () => {
  const { of } = await endpoint('/');
  receiver.answer = () => {};
  const installation = new Installation({
    databaseUrl: db.url,
    smtpUrl: 'smtp://127.0.0.1:1',
    env: { CAMP_SECRET: SECRET, CAMP_WEBHOOK_NETWORKS: '127.0.0.1' },
  });
  const worker = await installation.startWorker(1);
  await happen(db.database, workspaceId, 'import.finished');
  await until(async () => {
    assert.deepEqual(installation.crashes, []);
    return receiver.posted.length === 1;
  }, 'it is under way');
  const [claimed] = await db.database.withWorkspace(workspaceId, (tx) =>
    tx.query<{ workerId: string }>(sql`SELECT worker_id AS "workerId" FROM webhook_delivery`),
  );
  await worker.end('SIGKILL');
  receiver.answer = (response) => response.writeHead(200).end();
  const other = await startPosting(db.database, secrets);
  await recover(claimed?.workerId ?? '');
  await until(async () => (await deliveriesOf(db.database, of))[0]?.state === 'delivered', 'it is delivered');
  await other.drain();
  const [delivery] = await deliveriesOf(db.database, of);
  assert.deepEqual(ids(), [delivery?.id, delivery?.id]);
});

test('what a worker learns that was declared dead is dropped and counted', async () => {
  const { of } = await endpoint('/');
  const before = await zombieWrites(db.database);
  const frozen = Promise.withResolvers<void>();
  receiver.answer = async (response) => {
    const isFirst = receiver.posted.length === 1;
    if (isFirst) await frozen.promise;
    response.writeHead(isFirst ? 500 : 200).end();
  };
  const zombie = await startPosting(db.database, secrets);
  await happen(db.database, workspaceId, 'import.finished');
  await until(async () => receiver.posted.length === 1, 'it is under way');
  const drained = zombie.drain();
  const other = await startPosting(db.database, secrets);
  await recover(zombie.workerId);
  await until(async () => (await deliveriesOf(db.database, of))[0]?.state === 'delivered', 'it is delivered');
  frozen.resolve();
  await Promise.all([drained, other.drain()]);
  const [delivery] = await deliveriesOf(db.database, of);
  assert.deepEqual([delivery?.state, delivery?.attempts.length], ['delivered', 1]);
  assert.equal(await zombieWrites(db.database), before + 1);
});

class Deaf extends Resolver {
  readonly asked = Promise.withResolvers<void>();

  override addresses(): Promise<never> {
    this.asked.resolve();
    return new Promise(() => {});
  }
}

test('a worker that was declared dead ends, though one of its posts does not', async () => {
  const resolver = new Deaf({ servers: ['127.0.0.1:1'] });
  const url = 'https://hooks.example/';
  await newEndpoint(db.database, secrets, { workspaceId, url, events: ['import.finished'] });
  await happen(db.database, workspaceId, 'import.finished');
  const zombie = await startPosting(db.database, secrets, resolver);
  await resolver.asked.promise;
  await zombie.abandon();
});

test('endpoints that never answer hold up none of the others, though three in ten are like that', async (t) => {
  const ENDPOINTS = 30;
  const EVENTS = 20;
  const isSilent = (number: number) => number % 10 < 3;
  const all = await Promise.all(Array.from({ length: ENDPOINTS }, (_, number) => endpoint(`/${number}`)));
  const silent = new Map<string, number>();
  receiver.answer = (response, { path }) => {
    if (isSilent(Number(path.slice(1)))) silent.set(path, (silent.get(path) ?? 0) + 1);
    else response.writeHead(200).end();
  };
  for (let event = 0; event < EVENTS; event += 1) await happen(db.database, workspaceId, 'import.finished');
  const startedAt = performance.now();
  const poster = await startPosting(db.database, secrets);
  const well = all.filter((_, number) => !isSilent(number));
  const states = await until(async () => {
    const seen = (await Promise.all(well.map(({ of }) => deliveriesOf(db.database, of)))).flat();
    return seen.every(({ state }) => state === 'delivered') && seen;
  }, 'all of the others are delivered');
  t.diagnostic(`${states.length} deliveries in ${Math.round(performance.now() - startedAt)} ms`);
  // While the silent ones are still being waited for, each with one post.
  assert.deepEqual([silent.size, [...silent.values()].every((posts) => posts === 1)], [9, true]);
  await receiver.stop();
  receiver = await Receiver.start();
  await poster.drain();
});
