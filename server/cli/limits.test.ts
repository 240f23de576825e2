import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { camp } from '../../test/support/command-line.ts';
import { createTestDatabase } from '../../test/support/database.ts';
import type { Target } from '../delivery/limits.ts';
import { Quota } from '../delivery/quota.ts';
import { Database } from '../kernel/database.ts';
import { newId } from '../kernel/ids.ts';
import { createLog } from '../kernel/log.ts';
import { Scope } from '../kernel/scope.ts';
import { sql } from '../kernel/sql.ts';

const { url, drop } = await createTestDatabase();
after(drop);

const target: Target = {
  source: '192.0.2.1',
  name: 'provider google',
  limits: { connections: 5, messagesPerConnection: 50, messagesPerSecond: 20, messagesPerDay: 1_000 },
};

/** A worker that begins to send there, hears a throttle, and ends. */
async function hearThrottle(workerId: string, look: () => Promise<void>): Promise<void> {
  const database = new Database(url, { pipeline: true });
  const quota = new Quota({ database, log: createLog('silent'), workerId, renewMs: 20 });
  const scope = Scope.root('worker');
  const run = quota.run(scope);
  const granted = (connections: number) =>
    new Promise<void>((resolve) =>
      quota.onGrant(() => {
        if (quota.granted(target) === connections) resolve();
      }),
    );
  quota.want(target, 5);
  await granted(5);
  const reply = '421 4.7.28 unusual rate of mail';
  quota.react([target], {
    kind: 'one-connection',
    forMs: 3_600_000,
    begunAt: performance.now(),
    reply,
    rule: 'g',
  });
  await granted(1);
  await look();
  scope.cancel();
  await run;
  await database.close();
}

test('without a worker that ever sent there is nothing to tell', async () => {
  const { code, stdout } = await camp(['limits'], { DATABASE_URL: url });
  assert.deepEqual([code, stdout], [0, 'No limit is in use, and none was learned.\n']);
});

test('a provider that asked for less is shown with what it gets, by whom, since when and why', async () => {
  const workerId = newId();
  await hearThrottle(workerId, async () => {
    const { code, stdout, stderr } = await camp(['limits'], { DATABASE_URL: url });
    assert.equal(code, 0, stderr);
    const [head, limits, workers, why] = stdout.split('\n');
    assert.equal(head, 'provider google  from 192.0.2.1');
    assert.equal(limits, '  1 connection, 50 messages each, 20 messages a second, 0 of 1,000 messages today');
    assert.equal(workers, `  connections by worker: ${workerId.slice(-8)} 1`);
    assert.match(
      why ?? '',
      /^ {2}1 of 5 connections since .* UTC, after "421 4\.7\.28 unusual rate of mail" \(rule g\); more from/,
    );
  });
});

test('what was learned is still told when nobody sends any more, and scripts get it as JSON', async () => {
  const { json } = await camp(['limits', '--json'], { DATABASE_URL: url });
  assert.ok(Array.isArray(json.limits));
  const [{ reasons, ...limit }] = json.limits;
  const rule = {
    connections: 5,
    messages_per_connection: 50,
    messages_per_second: 20,
    messages_per_day: 1_000,
  };
  assert.deepEqual(limit, {
    source: '192.0.2.1',
    target: 'provider google',
    door: 'open',
    rule,
    in_force: { ...rule, connections: 1 },
    sent_today: 0,
    workers: [],
  });
  const [{ limit: which, rule: id, reply, since, until }] = reasons;
  assert.deepEqual([which, id, reply], ['connections', 'g', '421 4.7.28 unusual rate of mail']);
  assert.equal(Math.round((Date.parse(until) - Date.parse(since)) / 1_000), 3_600);
});

test('what is shut is opened by whoever says so, and what is open is not', async () => {
  const database = new Database(url);
  const learned = {
    suspension: { rule: 'b', reply: '554 blocked', sinceMs: 0, untilMs: Date.now() + 3_600_000 },
  };
  await database.withSystem((tx) =>
    tx.query(sql`INSERT INTO shape (source, target, connections, messages_per_connection, learned)
      VALUES ('', 'site mx.acme.example', 5, 50, ${JSON.stringify(learned)})`),
  );
  await database.close();
  const resume = () => camp(['limits', 'resume', 'site mx.acme.example', '--json'], { DATABASE_URL: url });
  assert.deepEqual((await resume()).json, { source: '', target: 'site mx.acme.example', resumed: true });
  const again = await resume();
  assert.equal(again.code, 2);
  assert.match(again.stderr, /Nothing stands in the way to "site mx\.acme\.example"/);
});
