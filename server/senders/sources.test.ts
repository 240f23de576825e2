import assert from 'node:assert/strict';
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os';
import { after, test } from 'node:test';
import { createTestDatabase } from '../../test/support/database.ts';
import { newId } from '../kernel/ids.ts';
import { allSources } from './queries-routes.ts';
import {
  addSource,
  chooseSource,
  endWarmUp,
  findSource,
  type Held,
  removeSource,
  type Source,
  setWarmUp,
  usableHere,
} from './sources.ts';

const { database, drop } = await createTestDatabase();
after(drop);

function source(address: string, weight = 1): Source {
  return { address, heloName: 'mail.camp.example', pool: 'bulk', weight, warmUps: [] };
}

const [first, second] = [source('192.0.2.1', 3), source('192.0.2.2')];
const recipients = Array.from({ length: 4_000 }, (_, index) => `recipient ${index}`);

function chosenBy(sources: Source[], heldOf: (source: Source) => Held | null): (string | undefined)[] {
  return recipients.map((key) => {
    const choice = chooseSource(sources, heldOf, key);
    return choice.kind === 'source' ? choice.source.address : undefined;
  });
}

test('mail leaves from the addresses of a pool by weight, and a recipient’s always from the same one', () => {
  const chosen = chosenBy([first, second], () => null);
  const share = chosen.filter((address) => address === first.address).length / recipients.length;
  assert.ok(Math.abs(share - 3 / 4) < 0.03, String(share));
  assert.deepEqual(
    chosenBy([second, first], () => null),
    chosen,
  );
});

test('an address that has had its messages for today overflows to another one, and back tomorrow', () => {
  const full: Held = { untilMs: 9_000, reason: 'warm-up: 50 messages a day' };
  const chosen = chosenBy([first, second], ({ address }) => (address === second.address ? full : null));
  assert.deepEqual(new Set(chosen), new Set([first.address]));
  assert.ok(chosenBy([first, second], () => null).includes(second.address));
});

test('when no address has room, mail is held until the first one has, with its reason', () => {
  const heldOf = ({ address }: Source) =>
    address === first.address
      ? { untilMs: 9_000, reason: 'warm-up' }
      : { untilMs: 5_000, reason: 'blocked by the provider' };
  const expected = { kind: 'held', untilMs: 5_000, reason: 'blocked by the provider' };
  assert.deepEqual(chooseSource([first, second], heldOf, 'recipient'), expected);
  assert.deepEqual(chooseSource([second, first], heldOf, 'recipient'), expected);
});

test('an address can be used by the machine that has it', () => {
  const ethernet = (address: string) => ({ address }) as NetworkInterfaceInfo;
  const interfaces = { eth0: [ethernet('192.0.2.1'), ethernet('2001:db8::10')], eth1: undefined };
  assert.equal(usableHere({ address: '192.0.2.1' }, interfaces), true);
  assert.equal(usableHere({ address: '2001:db8::10' }, interfaces), true);
  assert.equal(usableHere({ address: '192.0.2.2' }, interfaces), false);
  for (const own of Object.values(networkInterfaces()).flatMap((all) => all ?? []))
    assert.equal(usableHere(own), true, own.address);
  assert.equal(usableHere({ address: '127.0.1.7' }), process.platform === 'linux');
});

const added = {
  address: '2001:DB8:0::10',
  publicAddress: null,
  heloName: 'Mail-1.Camp.Example',
  pool: 'default',
  weight: 2,
};

test('a source is kept in the form in which machines write its address, and may be changed', async () => {
  assert.equal(await addSource(database, added), true);
  const found = await findSource(database, '2001:db8::10');
  assert.deepEqual(found, {
    address: '2001:db8::10',
    publicAddress: null,
    heloName: 'mail-1.camp.example',
    pool: 'default',
    weight: 2,
    open: true,
    warmUps: [],
  });
  await setWarmUp(database, '2001:db8::10', {
    provider: '*',
    start: '2030-01-31',
    from: 50,
    factor: 1.5,
    until: 1e5,
  });
  assert.equal(await addSource(database, { ...added, publicAddress: '2001:db8::99', pool: 'bulk' }), false);
  const [changed, ...others] = await database.withSystem(allSources);
  assert.deepEqual(others, []);
  assert.deepEqual(changed, {
    ...found,
    publicAddress: '2001:db8::99',
    pool: 'bulk',
    warmUps: [{ provider: '*', start: '2030-01-31', from: 50, factor: 1.5, until: 100_000 }],
  });
});

test('a warm-up ends, and a source goes, when somebody says so, and not twice', async () => {
  const address = '192.0.2.7';
  await addSource(database, { ...added, address });
  const ramp = { start: '2030-01-31', from: 50, factor: 1.5, until: 1e5 };
  for (const provider of ['*', 'google']) await setWarmUp(database, address, { provider, ...ramp });
  await setWarmUp(database, address, { provider: 'google', ...ramp, from: 20 });
  const rampsOf = async () =>
    (await findSource(database, address)).warmUps.map(({ provider, from }) => [provider, from]);
  assert.deepEqual(await rampsOf(), [
    ['*', 50],
    ['google', 20],
  ]);
  await endWarmUp(database, address, '*');
  assert.deepEqual(await rampsOf(), [['google', 20]]);
  await assert.rejects(endWarmUp(database, address, '*'), {
    name: 'RouteRefused',
    message: /no warm-up for "\*"/,
  });
  await removeSource(database, address);
  const lost: (() => Promise<unknown>)[] = [
    () => removeSource(database, address),
    () => findSource(database, address),
    () => setWarmUp(database, address, { provider: '*', ...ramp }),
  ];
  for (const look of lost)
    await assert.rejects(look, { name: 'RouteRefused', message: /There is no source 192\.0\.2\.7/ });
});

test('a source that cannot be one is refused in one sentence', async () => {
  const refused: [change: Partial<typeof added>, said: RegExp][] = [
    [{ address: 'mail.example' }, /"mail\.example" is no IP address/],
    [{ address: 'fe80::1%eth0' }, /"fe80::1%eth0" is no IP address/],
    [{ heloName: 'localhost' }, /"localhost" is no host name/],
    [{ heloName: '192.0.2.1' }, /"192\.0\.2\.1" is no host name/],
    [{ pool: 'Bulk mail' }, /"Bulk mail" cannot be the name of a pool/],
  ];
  for (const [change, message] of refused)
    await assert.rejects(addSource(database, { ...added, ...change }), {
      name: 'RouteRefused',
      message,
    });
  await assert.rejects(findSource(database, newId()), { name: 'RouteRefused', message: /is no IP address/ });
});
