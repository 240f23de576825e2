import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { newWorkspace, signedInMember } from '../../test/support/accounts.ts';
import { until } from '../../test/support/campaign.ts';
import { lockTable } from '../../test/support/table-lock.ts';
import { type TestKey, TestWeb } from '../../test/support/web.ts';
import { revokeKey } from '../accounts/keys.ts';
import { operator } from '../accounts/principal.ts';
import { listSessions } from '../accounts/sessions.ts';
import type { Tx } from '../kernel/database.ts';
import { newId } from '../kernel/ids.ts';
import { openScopeNames, Scope } from '../kernel/scope.ts';
import { sql } from '../kernel/sql.ts';
import { Moves } from '../stats/counters.ts';
import { CLIENTS_PER_WORKSPACE_MAX } from './live-hub.ts';

const LOOK_MS = 100;
const BEAT_MS = 150;

let web: TestWeb;

before(async () => {
  web = await TestWeb.start({}, { live: { lookMs: LOOK_MS, beatMs: BEAT_MS } });
});
after(async () => {
  await web.stop();
  assert.deepEqual(openScopeNames(), []);
});

interface LiveEvent {
  event: string;
  topic: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test says what it expects
  data: any;
}

/** A client of the stream, as a browser's EventSource is. */
class Listener {
  readonly events: LiveEvent[] = [];
  readonly ended: Promise<void>;
  text = '';
  readonly #leaving: AbortController;

  private constructor(response: Response, leaving: AbortController) {
    this.#leaving = leaving;
    this.ended = this.#read(response);
  }

  static async connect(
    { headers }: { headers: Readonly<Record<string, string>> },
    ...topics: string[]
  ): Promise<Listener> {
    const leaving = new AbortController();
    const query = topics.map((topic) => `topics=${topic}`).join('&');
    const response = await fetch(`${web.web.url}/v1/live?${query}`, {
      headers,
      signal: leaving.signal,
    });
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('content-type'), 'text/event-stream');
    return new Listener(response, leaving);
  }

  of(event: string): LiveEvent[] {
    return this.events.filter((one) => one.event === event);
  }

  async leave(): Promise<void> {
    this.#leaving.abort();
    await this.ended;
  }

  async #read(response: Response): Promise<void> {
    const decoder = new TextDecoder();
    let rest = '';
    try {
      for await (const chunk of response.body ?? []) {
        const text = decoder.decode(chunk, { stream: true });
        this.text += text;
        const blocks = (rest + text).split('\n\n');
        rest = blocks.pop() ?? '';
        for (const block of blocks) this.#hear(block);
      }
    } catch {
      // Left, or cut.
    }
  }

  #hear(block: string): void {
    const event = /^event: (.*)$/m.exec(block)?.[1];
    const data = /^data: (.*)$/m.exec(block)?.[1];
    if (event && data) this.events.push({ event, ...JSON.parse(data) });
  }
}

async function newCampaign({ workspaceId }: TestKey): Promise<string> {
  const id = newId();
  await inWorkspace(workspaceId, (tx) =>
    tx.query(sql`
      INSERT INTO campaign (workspace_id, id, name, list_ids, from_email, template_name, template_body, give_up_seconds, state)
      VALUES (${workspaceId}, ${id}, 'May', '{}', 'a@b.example', 'a.txt', 'Hi', 60, 'sending')`),
  );
  return id;
}

async function newImport({ workspaceId }: TestKey): Promise<string> {
  const id = newId();
  await inWorkspace(workspaceId, (tx) =>
    tx.query(sql`INSERT INTO import (workspace_id, id, list_id, fingerprint, file_name)
      VALUES (${workspaceId}, ${id}, ${newId()}, 'f', 'people.csv')`),
  );
  return id;
}

function inWorkspace<T>(workspaceId: string, work: (tx: Tx) => Promise<T>): Promise<T> {
  return web.db.database.withWorkspace(workspaceId, work);
}

/** As the queue's transactions do it. */
function count({ workspaceId }: TestKey, campaignId: string, from: string | null, to: string, n: number) {
  return inWorkspace(workspaceId, async (tx) => {
    const moves = new Moves();
    moves.move(from, to, n);
    moves.write(tx, { workspaceId, campaignId }, 1);
  });
}

test('a screen sees a campaign as it is, and then only what changes', async () => {
  const key = await web.newKey();
  const id = await newCampaign(key);
  await count(key, id, null, 'queued', 10);
  const topic = `campaign:${id}`;
  const listener = await Listener.connect(key, topic);
  const [snapshot] = await until(async () => listener.events.length > 0 && listener.events, 'a snapshot');
  assert.partialDeepStrictEqual(snapshot, {
    event: 'snapshot',
    topic,
    data: { name: 'May', state: 'sending', audience: 0, counts: { queued: 10 }, accepted_per_minute: 0 },
  });
  await count(key, id, 'queued', 'accepted', 4);
  const [change] = await until(
    async () => listener.of('change').length > 0 && listener.of('change'),
    'a change',
  );
  const { accepted_per_minute: rate, ...changed } = change?.data ?? {};
  assert.deepEqual(changed, { counts: { queued: 6, accepted: 4 } });
  assert.ok(rate > 0);
  assert.match(listener.text, /^retry: \d+\n\nid: 1\n/);
  await listener.leave();
  const again = await Listener.connect(key, topic);
  await until(async () => again.of('snapshot').length === 1, 'a snapshot again');
  assert.deepEqual(again.events[0]?.data.counts, { queued: 6, accepted: 4 });
  await again.leave();
});

test('the queue, the campaigns and an import are watched on one connection', async () => {
  const key = await web.newKey();
  const { workspaceId } = key;
  const id = await newCampaign(key);
  await count(key, id, null, 'deferred', 3);
  const importId = await newImport(key);
  const listener = await Listener.connect(key, 'queue', 'campaigns', `imports:${importId}`);
  await until(async () => listener.of('snapshot').length === 3, 'three snapshots');
  const [queue, campaigns, imported] = listener.events;
  assert.deepEqual(queue?.data, { queued: 0, deferred: 3, under_way: 0 });
  assert.deepEqual(Object.keys(campaigns?.data.by_id), [id]);
  assert.partialDeepStrictEqual(imported?.data, { state: 'running', records_done: 0 });
  await inWorkspace(workspaceId, async (tx) => {
    await tx.query(sql`UPDATE import SET records_done = 500 WHERE id = ${importId}`);
    await tx.query(sql`UPDATE campaign SET state = 'paused' WHERE id = ${id}`);
  });
  await until(async () => listener.of('change').length === 2, 'two changes');
  assert.deepEqual(
    listener
      .of('change')
      .map(({ data }) => data)
      .toSorted((a) => ('records_done' in a ? 1 : -1)),
    [{ by_id: { [id]: { state: 'paused' } } }, { records_done: 500 }],
  );
  await inWorkspace(workspaceId, (tx) => tx.query(sql`DELETE FROM import WHERE id = ${importId}`));
  await until(async () => listener.of('gone').length === 1, 'the import is gone');
  await listener.leave();
});

test('who still waits for a first snapshot hears of no change before it', async () => {
  const key = await web.newKey();
  const campaignId = await newCampaign(key);
  const importId = await newImport(key);
  const watching = await Listener.connect(key, 'queue');
  const imports = await lockTable(web.db.directUrl, 'import', 'ACCESS EXCLUSIVE');
  const connecting = Listener.connect(key, 'queue', `imports:${importId}`);
  await imports.waitedFor();
  await count(key, campaignId, null, 'deferred', 3);
  await until(async () => watching.of('change').length === 1, 'a change');
  await imports.release();
  const waiting = await connecting;
  await until(async () => waiting.of('snapshot').length === 2, 'both snapshots');
  assert.deepEqual(
    waiting.events.map(({ event, data }) => [event, data.deferred]),
    [
      ['snapshot', 3],
      ['snapshot', undefined],
    ],
  );
  await Promise.all([watching.leave(), waiting.leave()]);
});

test('a hundred clients of one campaign cost one statement a look, and none when they have left', async () => {
  const key = await web.newKey();
  const id = await newCampaign(key);
  const { database } = web.db;
  const look = database.readWorkspace.bind(database);
  let statements = 0;
  database.readWorkspace = (workspaceId, work, scope) =>
    look(
      workspaceId,
      (tx) => {
        const query: Tx['query'] = (statement) => {
          statements += 1;
          return tx.query(statement);
        };
        return work({ client: tx.client, atCommit: (statement) => tx.atCommit(statement), query });
      },
      scope,
    );
  const startedAt = performance.now();
  const all = await Promise.all(Array.from({ length: 100 }, () => Listener.connect(key, `campaign:${id}`)));
  for (const changes of [1, 2, 3, 4, 5]) {
    await count(key, id, null, 'accepted', 1);
    const hears = ({ events }: Listener) => events.some(({ data }) => data.counts?.accepted === changes);
    await until(async () => all.every(hears), `all hear of ${changes}`);
  }
  const looks = 1 + (performance.now() - startedAt) / LOOK_MS;
  assert.ok(statements >= 6 && statements <= looks, `${statements} statements in ${looks} looks`);
  await Promise.all(all.map((listener) => listener.leave()));
  const { live } = web.web.services;
  await until(async () => live.watched === 0, 'nothing is looked at any more');
  database.readWorkspace = look;
});

test('a revoked key ends its streams, and an ended stream is none of the others’', async () => {
  const [key, other] = [await web.newKey(), await web.newKey()];
  const [ending, staying] = [await Listener.connect(key, 'queue'), await Listener.connect(other, 'queue')];
  await revokeKey(web.db.database, operator(key.workspaceId), key.id, {});
  await ending.ended;
  await until(async () => /\n:\n/.test(staying.text), 'a heartbeat');
  await staying.leave();
});

test('a session that only a stream keeps open ends idle, and the stream with it', async () => {
  const workspaceId = await newWorkspace(web.db.database);
  const { token, principal } = await signedInMember(web.db.database, workspaceId, 'marketer');
  const unused = (ago: string) =>
    inWorkspace(workspaceId, (tx) =>
      tx.query(sql`UPDATE session SET seen_at = now() - ${ago}::interval WHERE id = ${principal.id}`),
    );
  await unused('23 h');
  const listener = await Listener.connect({ headers: { cookie: `camp=${token}` } }, 'queue');
  await until(async () => listener.text.split('\n:\n').length > 3, 'three heartbeats');
  const [{ seenAt } = assert.fail()] = await listSessions(web.db.database, principal);
  assert.ok(Date.now() - seenAt.getTime() > 22 * 3_600_000);
  await unused('24 h');
  await listener.ended;
});

test('who does not read is dropped, and does not grow in memory', async () => {
  const key = await web.newKey();
  const { live, serving } = web.web.services;
  await using scope = Scope.root('reader');
  const { workspaceId } = key;
  const id = await newCampaign(key);
  const rename = (name: string) =>
    inWorkspace(workspaceId, (tx) => tx.query(sql`UPDATE campaign SET name = ${name} WHERE id = ${id}`));
  const isStillAllowed = async () => true;
  const stream = await live.open({ workspaceId, topics: [`campaign:${id}`], scope, isStillAllowed });
  const dropped = Promise.withResolvers<void>();
  stream.once('close', dropped.resolve);
  for (let turn = 0; !stream.destroyed; turn += 1) {
    const before = stream.readableLength;
    await rename(`${turn}${'x'.repeat(30_000)}`);
    await until(async () => stream.destroyed || stream.readableLength > before + 29_000, 'it was told');
    assert.ok(stream.readableLength < 130_000);
  }
  await dropped.promise;
  assert.equal(serving.ended, false);
});

test('what may not be seen is 403 or 404, and a topic that there is not is 400', async () => {
  const key = await web.newKey();
  const id = await newCampaign(key);
  const other = await web.newKey();
  const ask = async (asking: TestKey, topic: string) => {
    const { status, json } = await web.ask(`GET /v1/live?topics=${topic}`, { key: asking });
    return [status, json.code];
  };
  assert.deepEqual(await ask(other, `campaign:${id}`), [404, 'not-found']);
  assert.deepEqual(await ask(other, `imports:${newId()}`), [404, 'not-found']);
  assert.deepEqual(await ask(await web.newKey('billing', key.workspaceId), 'queue'), [403, 'missing-scope']);
  assert.deepEqual(await ask(key, 'everything'), [400, 'invalid-request']);
  assert.equal((await web.ask('GET /v1/live?topics=queue')).status, 401);
});

test('a workspace has so many streams and no more, and is told so', async () => {
  const key = await web.newKey();
  const all = await Promise.all(
    Array.from({ length: CLIENTS_PER_WORKSPACE_MAX }, () => Listener.connect(key, 'queue')),
  );
  const { status, json, headers } = await web.ask('GET /v1/live?topics=queue', { key });
  assert.deepEqual([status, json.code], [429, 'too-many-requests']);
  assert.match(json.detail, /has 200 live streams open already/);
  assert.ok(headers.has('retry-after'));
  const other = await Listener.connect(await web.newKey(), 'queue');
  await Promise.all([other, ...all].map((listener) => listener.leave()));
});

test('a drain ends every stream', async () => {
  const draining = await TestWeb.start();
  const key = await draining.newKey();
  const response = await fetch(`${draining.web.url}/v1/live?topics=queue`, { headers: key.headers });
  const text = response.text();
  await draining.stop();
  assert.match(await text, /^retry: \d+\n\nid: 1\nevent: snapshot\n/);
});
