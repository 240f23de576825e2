/** Destinations over HTTP: what is in force and why, and a door that a person opens again. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Heard, type TestKey, TestWeb } from '../../test/support/web.ts';
import { DEFAULT_WORKSPACE_ID } from '../kernel/ids.ts';
import { sql } from '../kernel/sql.ts';

let web: TestWeb;
let key: TestKey;

before(async () => {
  web = await TestWeb.start();
  key = await web.newKey('admin', DEFAULT_WORKSPACE_ID);
});
after(() => web.stop());

function ask(line: string, body?: unknown): Promise<Heard> {
  return web.ask(line, { key, ...(body === undefined ? {} : { body }) });
}

test('a destination that is shut says since when, why and until when; it is opened, and what it asked for stays', async () => {
  const sinceMs = Date.parse('2030-01-01T00:00:00Z');
  const why = { rule: 'block-list', reply: '554 5.7.1 blocked', sinceMs };
  const learned = {
    suspension: { ...why, untilMs: sinceMs + 3_600_000 },
    connections: { ...why, value: 2, before: 4, holdUntilMs: 0 },
  };
  await web.db.database.withSystem((tx) =>
    tx.query(sql`
      INSERT INTO shape (source, target, connections, messages_per_connection, messages_per_second, learned)
      VALUES ('192.0.2.1', 'provider google', 5, 50, 20, ${JSON.stringify(learned)})`),
  );
  const [shut, ...others] = (await ask('GET /v1/destinations')).json.data;
  assert.deepEqual(others, []);
  assert.deepEqual(
    [shut.target, shut.door, shut.in_force.connections, shut.rule.connections],
    ['provider google', 'shut', 2, 5],
  );
  assert.partialDeepStrictEqual(shut.reasons[0], {
    limit: 'door',
    rule: 'block-list',
    reply: '554 5.7.1 blocked',
    since: '2030-01-01T00:00:00.000Z',
    until: '2030-01-01T01:00:00.000Z',
  });
  const body = { target: 'provider google', source: '192.0.2.1' };
  assert.equal((await ask('POST /v1/destinations/resume', body)).status, 204);
  const [open] = (await ask('GET /v1/destinations')).json.data;
  assert.deepEqual([open.door, open.in_force.connections, open.reasons.length], ['open', 2, 1]);
  const again = await ask('POST /v1/destinations/resume', body);
  assert.deepEqual([again.status, again.json.code], [409, 'conflict']);
});
