import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { createTestDatabase } from '../../test/support/database.ts';
import { waitForLocks } from '../../test/support/lock-wait.ts';
import type { Tx } from '../kernel/database.ts';
import { newId } from '../kernel/ids.ts';
import { Secrets } from '../kernel/secrets.ts';
import { parseSmtpUrl } from '../smtp/url.ts';
import { grantPool, openPool, revokePool } from './pools.ts';
import { allSendingRoutes } from './queries-routes.ts';
import { removeRelay, saveRelay } from './relays.ts';
import {
  environmentRoute,
  pickRoute,
  type Route,
  type RoutePlan,
  removeRoute,
  routePlanOf,
  setRoute,
} from './routes.ts';
import { addSource, removeSource } from './sources.ts';

const { database, directUrl, drop } = await createTestDatabase();
after(drop);

const secrets = new Secrets('a secret');
const workspaceId = newId();
const fallback = environmentRoute({ smtpUrl: 'smtp://127.0.0.1:2525', resolver: undefined });

function relay(name: string, weight = 1): Route {
  return { kind: 'relay', name, weight, options: parseSmtpUrl(`smtp://${name}.example`) };
}

const direct: Route = { kind: 'direct', pool: 'default', weight: 1, sources: [] };
const recipients = Array.from({ length: 4_000 }, (_, index) => `recipient ${index}`);

function picked(levels: Route[][], isUsable: (route: Route) => boolean): (Route | null)[] {
  return recipients.map((key) => pickRoute({ levels, problems: [] }, isUsable, key));
}

test('mail takes the ways of the first level by weight, and a recipient’s mail always the same one', () => {
  const levels = [[relay('main', 3), direct], [relay('backup')]];
  const routes = picked(levels, () => true);
  const share = routes.filter((route) => route === levels[0]?.[0]).length / recipients.length;
  assert.ok(Math.abs(share - 3 / 4) < 0.03, String(share));
  assert.ok(routes.every((route) => levels[0]?.includes(route ?? relay('none'))));
  assert.deepEqual(
    picked(levels, () => true),
    routes,
  );
});

test('a way in trouble is left out, and the next level is for when a whole level is', () => {
  const [main, other, backup] = [relay('main', 3), relay('other'), relay('backup')];
  const levels = [[main, other], [backup]];
  assert.deepEqual(new Set(picked(levels, (route) => route !== main)), new Set([other]));
  assert.deepEqual(new Set(picked(levels, (route) => route === backup)), new Set([backup]));
  assert.deepEqual(new Set(picked(levels, () => false)), new Set([null]));
});

function planOf(fromDomain: string, of = workspaceId, environment = fallback): Promise<RoutePlan> {
  return database.withWorkspace(of, (tx) => routePlanOf(tx, secrets, of, fromDomain, environment));
}

async function set(domain: string, route: string, of = workspaceId): Promise<string> {
  return (await within(of, (tx) => setRoute(tx, secrets, of, { domain, route, fallback }))).route;
}

function within<T>(of: string, work: (tx: Tx) => Promise<T>): Promise<T> {
  return database.withWorkspace(of, work);
}

function unset(domain: string, of = workspaceId) {
  return within(of, (tx) => removeRoute(tx, of, domain));
}

function remove(name: string, of = workspaceId) {
  return within(of, (tx) => removeRelay(tx, of, name));
}

function add(name: string, of = workspaceId): Promise<boolean> {
  const relay = { name, url: `smtp://${name}.example`, trusted: true };
  return within(of, (tx) => saveRelay(tx, secrets, of, relay));
}

/** The ways of a plan, in words. */
function ways({ levels, problems }: RoutePlan): unknown {
  const words = (route: Route) =>
    route.kind === 'relay'
      ? `${route.name} at ${route.options.host} *${route.weight}`
      : `${route.pool} from ${route.sources.map(({ address }) => address).join(' ')} *${route.weight}`;
  return { levels: levels.map((level) => level.map(words)), problems };
}

test('without routes the environment decides: the relay of SMTP_URL, else straight to MX, else mail waits', async () => {
  const of = newId();
  const only = (route: Route) => ({ levels: [[route]], problems: [] });
  assert.ok(fallback);
  assert.deepEqual(await planOf('camp.example', of), only(fallback));
  const noRelay = environmentRoute({ smtpUrl: undefined, resolver: '127.0.0.1:53' });
  assert.deepEqual(await planOf('camp.example', of, noRelay), only(direct));
  const nothing = environmentRoute({ smtpUrl: undefined, resolver: undefined });
  const { levels, problems } = await planOf('camp.example', of, nothing);
  assert.deepEqual(levels, []);
  assert.match(problems.join(), /^Mail from camp\.example has no way out: set SMTP_URL or CAMP_RESOLVER/);
});

test('each sending domain has its own route, with shares and fall-back, and lends it to the domains below', async () => {
  for (const name of ['main', 'backup']) await add(name);
  await addSource(database, {
    address: '192.0.2.1',
    publicAddress: null,
    heloName: 'a.camp.example',
    pool: 'bulk',
    weight: 1,
  });
  assert.equal(
    await set('Acme.example', 'relay:main*3,direct:bulk/relay:relay'),
    'relay:main*3, direct:bulk / relay:relay',
  );
  await set('news.acme.example', 'direct');
  await set('*', 'relay:backup');
  const acme = {
    levels: [['main at main.example *3', 'bulk from 192.0.2.1 *1'], ['relay at 127.0.0.1 *1']],
    problems: [],
  };
  assert.deepEqual(ways(await planOf('acme.example')), acme);
  assert.deepEqual(ways(await planOf('offers.acme.example')), acme);
  assert.deepEqual(await planOf('news.acme.example'), { levels: [[direct]], problems: [] });
  assert.deepEqual(ways(await planOf('other.example')), {
    levels: [['backup at backup.example *1']],
    problems: [],
  });
  await set('acme.example', 'relay:backup*2');
  assert.deepEqual(ways(await planOf('acme.example')), {
    levels: [['backup at backup.example *2']],
    problems: [],
  });
  const domains = (await database.withWorkspace(workspaceId, (tx) => allSendingRoutes(tx, workspaceId))).map(
    ({ domain }) => domain,
  );
  assert.deepEqual(domains, ['*', 'acme.example', 'news.acme.example']);
  await unset('acme.example');
  assert.deepEqual(ways(await planOf('acme.example')), {
    levels: [['backup at backup.example *1']],
    problems: [],
  });
  await assert.rejects(unset('acme.example'), {
    name: 'RouteRefused',
    message: /"acme\.example" has no route of its own/,
  });
});

test('the routes and relays of another workspace are not ours', async () => {
  const theirs = newId();
  await add('theirs', theirs);
  await set('*', 'relay:theirs', theirs);
  await assert.rejects(set('shop.example', 'relay:theirs'), { message: /There is no relay "theirs"/ });
  assert.doesNotMatch(JSON.stringify(await planOf('shop.example')), /theirs/);
});

test('a relay that a route uses cannot be removed', async () => {
  const of = newId();
  for (const name of ['one', 'two']) await add(name, of);
  await set('acme.example', 'direct / relay:one', of);
  await remove('two', of);
  await assert.rejects(remove('one', of), {
    message: /The route of "acme\.example" uses the relay one/,
  });
  await unset('acme.example', of);
  await remove('one', of);
  await assert.rejects(remove('one', of), { message: /There is no relay "one"/ });
});

test('what has gone since is told, and mail takes no other way than its route says', async () => {
  const of = newId();
  await add('main', of);
  await addSource(database, {
    address: '192.0.2.5',
    publicAddress: null,
    heloName: 'b.camp.example',
    pool: 'vip',
    weight: 1,
  });
  await set('acme.example', 'direct:vip / relay:main', of);
  await set('shop.example', 'direct:vip', of);
  await removeSource(database, '192.0.2.5');
  const [problem = ''] = (await planOf('shop.example', of)).problems;
  assert.match(problem, /^The pool vip has no source: add one/);
  assert.deepEqual(ways(await planOf('shop.example', of)), { levels: [], problems: [problem] });
  assert.deepEqual(ways(await planOf('acme.example', of)), {
    levels: [['main at main.example *1']],
    problems: [problem],
  });
});

test('a relay whose URL does not open any more is told, with what to do', async () => {
  const of = newId();
  await add('main', of);
  await set('*', 'relay:main', of);
  const { levels, problems } = await database.withWorkspace(of, (tx) =>
    routePlanOf(tx, new Secrets('another secret'), of, 'acme.example', fallback),
  );
  assert.deepEqual(levels, []);
  assert.match(problems.join(), /^The relay main cannot be used: .*set CAMP_SECRET to what it was/);
});

test('a pool is open to everybody until it is granted, and then only to those that it was granted to', async () => {
  const [ours, theirs] = [newId(), newId()];
  await addSource(database, {
    address: '192.0.2.8',
    publicAddress: null,
    heloName: 'c.camp.example',
    pool: 'gold',
    weight: 1,
  });
  for (const either of [ours, theirs]) await set('*', 'direct:gold', either);
  const usable = async (of: string) => (await planOf('acme.example', of)).levels.length === 1;
  await assert.rejects(revokePool(database, ours, 'gold'), {
    message: /The pool gold is open to every workspace/,
  });
  await grantPool(database, ours, 'gold');
  assert.deepEqual([await usable(ours), await usable(theirs)], [true, false]);
  await assert.rejects(set('*', 'direct:gold', theirs), {
    message: /The pool gold is not granted to this workspace/,
  });
  await grantPool(database, theirs, 'gold');
  await revokePool(database, ours, 'gold');
  assert.deepEqual([await usable(ours), await usable(theirs)], [false, true]);
  await openPool(database, ours, 'gold');
  assert.deepEqual([await usable(ours), await usable(theirs)], [true, true]);
  await assert.rejects(grantPool(database, ours, 'silver'), {
    name: 'RouteRefused',
    message: /There is no pool "silver"/,
  });
});

test('the pool default needs no source, but a workspace that it is closed to does not get out past it', async () => {
  const of = newId();
  await addSource(database, {
    address: '192.0.2.9',
    publicAddress: null,
    heloName: 'd.camp.example',
    pool: 'default',
    weight: 1,
  });
  const straight = environmentRoute({ smtpUrl: undefined, resolver: '127.0.0.1:53' });
  assert.deepEqual(ways(await planOf('acme.example', of, straight)), {
    levels: [['default from 192.0.2.9 *1']],
    problems: [],
  });
  await grantPool(database, newId(), 'default');
  assert.match(
    JSON.stringify(await planOf('acme.example', of, straight)),
    /"levels":\[\],.*The pool default is not granted/,
  );
  await openPool(database, of, 'default');
  await removeSource(database, '192.0.2.9');
  assert.deepEqual(ways(await planOf('acme.example', of, straight)), {
    levels: [['default from  *1']],
    problems: [],
  });
});

test('a route that names what is not there is refused, and the one before stays', async () => {
  const of = newId();
  await set('acme.example', 'direct', of);
  const refused: [domain: string, route: string, said: RegExp][] = [
    ['acme.example', 'relay:none', /There is no relay "none": add it/],
    ['acme.example', 'direct:none', /The pool none has no source/],
    ['acme.example', 'direct / relay', /"relay" is no way out/],
    ['not a domain', 'direct', /"not a domain" cannot be a sending domain/],
    ['co.uk', 'direct', /"co\.uk" is a public suffix/],
  ];
  for (const [domain, route, message] of refused)
    await assert.rejects(async () => set(domain, route, of), { message });
  const lost = { domain: 'acme.example', route: 'relay:relay', fallback: null };
  const elsewhere = within(of, (tx) => setRoute(tx, secrets, of, lost));
  await assert.rejects(elsewhere, { message: /relay:relay, the relay of SMTP_URL, and SMTP_URL is not set/ });
  assert.deepEqual(await planOf('acme.example', of), { levels: [[direct]], problems: [] });
});

test('a relay that a route is given at the same moment is not removed, and one that is removed is in no route', async () => {
  const owner = newId();
  const within = <T>(work: (tx: Tx) => Promise<T>) => database.withWorkspace(owner, work);
  const wish = { domain: '*', route: 'relay:main', fallback };
  const sets = (tx: Tx) => setRoute(tx, secrets, owner, wish);
  const removes = (tx: Tx) => removeRelay(tx, owner, 'main');
  const atOnce = async (first: (tx: Tx) => Promise<unknown>, second: (tx: Tx) => Promise<unknown>) => {
    const { begun } = await within(async (tx) => {
      await first(tx);
      const waiting = Promise.allSettled([within(second)]);
      await waitForLocks(directUrl);
      return { begun: waiting };
    });
    const [outcome] = await begun;
    return outcome?.status === 'rejected' ? String(outcome.reason) : 'done';
  };
  await within((tx) =>
    saveRelay(tx, secrets, owner, { name: 'main', url: 'smtp://main.example', trusted: true }),
  );
  assert.match(await atOnce(sets, removes), /The route of "\*" uses the relay main/);
  await within((tx) => removeRoute(tx, owner, '*'));
  assert.match(await atOnce(removes, sets), /There is no relay "main"/);
});
