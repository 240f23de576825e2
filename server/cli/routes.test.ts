/** Relays, sources and routes as an operator sets them up. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { camp, type Ended } from '../../test/support/command-line.ts';
import { createTestDatabase } from '../../test/support/database.ts';
import { scriptedDns } from '../../test/support/dns-server.ts';
import { scriptedRelay } from '../smtp/scripted-relay.ts';
import { EXIT } from './exit-codes.ts';

const { url, drop } = await createTestDatabase();
after(drop);

function run(...args: string[]): Promise<Ended> {
  return camp([...args, '--json'], { DATABASE_URL: url, SMTP_URL: 'smtp://smtp.example:2525' });
}

async function done(...args: string[]): Promise<Record<string, unknown>> {
  const { code, json, stderr } = await run(...args);
  assert.equal(code, EXIT.ok, stderr);
  return json;
}

async function refusal(...args: string[]): Promise<string> {
  const { code, stderr } = await run(...args);
  assert.equal(code, EXIT.usage, stderr);
  assert.equal(stderr.trimEnd().split('\n').length, 1);
  return stderr;
}

test('a workspace gets relays, a pool and a route, and is told what its mail does', async () => {
  await done('relay', 'add', 'main', 'smtp://ada:hunter2@smtp.main.example');
  await done('source', 'add', '192.0.2.10', '--helo', 'mail-1.camp.example', '--pool', 'bulk');
  const { days } = await done('source', 'warm-up', '192.0.2.10', '--start', '2099-01-31');
  assert.equal(days, 19);
  const listed = await run('relay', 'list');
  assert.doesNotMatch(listed.stdout + listed.stderr, /hunter2/);
  const main = { host: 'smtp.main.example', port: 587, tls: 'required', verify: true, user: 'ada' };
  const ofEnvironment = { host: 'smtp.example', port: 2525, tls: 'opportunistic', verify: false, user: null };
  assert.deepEqual(listed.json, {
    relays: [
      { name: 'main', ...main },
      { name: 'relay', ...ofEnvironment },
    ],
  });
  const warmUp = { provider: '*', start: '2099-01-31', from: 50, factor: 1.5, until: 100_000, today: 0 };
  const source = { address: '192.0.2.10', publicAddress: null, heloName: 'mail-1.camp.example', weight: 1 };
  assert.deepEqual(await done('source', 'list'), {
    sources: [{ ...source, pool: 'bulk', open: true, here: false, warmUps: [warmUp] }],
  });
  await done('route', 'set', 'acme.example', 'relay:main*3,direct:bulk', '/', 'relay:relay');
  assert.deepEqual(await done('route', 'show'), {
    routes: [{ domain: 'acme.example', route: 'relay:main*3, direct:bulk / relay:relay' }],
    otherwise: 'relay:relay',
  });
  assert.deepEqual(await done('route', 'show', 'news.acme.example'), {
    domain: 'news.acme.example',
    levels: [
      [
        { kind: 'relay', name: 'main', weight: 3, host: 'smtp.main.example', port: 587 },
        { kind: 'direct', pool: 'bulk', weight: 1, sources: ['192.0.2.10'] },
      ],
      [{ kind: 'relay', name: 'relay', weight: 1, host: 'smtp.example', port: 2525 }],
    ],
    problems: [],
  });
});

test('what cannot be used is refused in one sentence', async () => {
  assert.match(await refusal('relay', 'test', 'none'), /^There is no relay "none"/);
  assert.match(
    await refusal('relay', 'add', 'other', 'http://a.example'),
    /^The SMTP URL must begin with smtp/,
  );
  assert.match(
    await refusal('source', 'warm-up', '192.0.2.10', '--factor', 'x'),
    /^The factor must be from 1\.01 to 10/,
  );
});

test('a relay is tried out as a worker would use it, up to its answer to EHLO', async () => {
  const offers = ['PIPELINING', 'SIZE 1000', 'AUTH PLAIN'];
  const port = await withRelay(offers, async (place) => {
    await done('relay', 'add', 'here', `smtp://${place}`);
    const tried = await done('relay', 'test', 'here');
    assert.deepEqual(tried, { name: 'here', ok: true, loggedIn: false, offers });
  });
  const gone = await run('relay', 'test', 'here');
  assert.deepEqual([gone.code, gone.json.ok, gone.json.phase], [EXIT.failed, false, 'connect']);
  assert.match(gone.stderr, new RegExp(`^127\\.0\\.0\\.1:${port}: nothing listens there\\.$`, 'm'));
});

/** A relay that offers this is there while `work` runs; its port. */
async function withRelay(offers: string[], work: (place: string) => Promise<void>): Promise<number> {
  await using relay = await scriptedRelay(async (peer) => {
    await peer.open(...offers);
    await peer.closed();
  });
  await work(`127.0.0.1:${relay.port}`);
  return relay.port;
}

test('the reverse name of a source is looked up in the DNS that is named', async () => {
  await using dns = await scriptedDns({
    '10.2.0.192.in-addr.arpa': { PTR: ['mail-1.camp.example'] },
    'mail-1.camp.example': { A: ['192.0.2.11'] },
  });
  const { code, json, stderr } = await run('source', 'check', '192.0.2.10', '--resolver', dns.server);
  assert.equal(code, EXIT.failed, stderr);
  assert.equal(json.ok, false);
  assert.match(JSON.stringify(json.records), /"verdict":"ok".*"verdict":"wrong"/);
  assert.match(stderr, /^Add an A record for mail-1\.camp\.example: 192\.0\.2\.10\.$/m);
});
