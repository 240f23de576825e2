/** From the names of mail hosts to a session: a real resolver, real DNS, real sockets. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { scriptedDns, type Zone } from '../../test/support/dns-server.ts';
import { silentRelay } from '../../test/support/silent-relay.ts';
import { openScopeNames, Scope } from '../kernel/scope.ts';
import { Resolver } from './dns.ts';
import { HostMemory } from './host-memory.ts';
import { type MxFailed, type MxOpen, type MxOptions, openMxConnection } from './mx-connection.ts';
import { type Script, scriptedHosts } from './scripted-hosts.ts';
import type { Peer } from './scripted-relay.ts';

const hosts = ['mx1.acme.example', 'mx2.acme.example'];
const [FIRST, ALSO_FIRST, SECOND] = ['127.0.0.2', '127.0.0.3', '127.0.0.4'] as const;
const zone: Zone = {
  'mx1.acme.example': { A: [FIRST, ALSO_FIRST] },
  'mx2.acme.example': { A: [SECOND] },
};
const message = { from: 'news@example.com', to: 'ada@acme.example', data: 'Subject: hi\r\n\r\nbye\r\n' };
const yes = async () => true;

const greets: Script = async (peer) => {
  await peer.open('PIPELINING');
  await peer.closed();
};
const says =
  (...lines: string[]): Script =>
  async (peer) => {
    peer.say(...lines);
    await peer.closed();
  };
const silent: Script = (peer) => peer.closed();
const hangsUp: Script = async (peer) => {
  peer.socket.destroy();
};

let scope: Scope;
let memory: HostMemory;
beforeEach(() => {
  scope = Scope.root('test');
  memory = new HostMemory();
});
afterEach(() => scope[Symbol.asyncDispose]());

interface Meeting {
  opened: MxOpen | MxFailed;
  met: readonly string[];
}

/** Opens one connection to hosts that play `scripts`; addresses that are not named refuse. */
async function meet(
  scripts: Record<string, readonly Script[]>,
  options: Partial<MxOptions> = {},
  names: Zone = zone,
): Promise<Meeting> {
  await using mail = await scriptedHosts(scripts);
  await using dns = await scriptedDns(names);
  const opened = await openMxConnection(scope, { ...optionsOf(dns, mail), ...options });
  if (opened.kind === 'open') opened.connection.close();
  await mail.played();
  return { opened, met: mail.met };
}

function optionsOf(dns: { server: string }, mail: { port: number }): MxOptions {
  return {
    hosts,
    resolver: new Resolver({ servers: [dns.server] }),
    port: mail.port,
    heloName: 'camp.test',
    tls: { dane: false, sts: null, required: false },
    memory,
  };
}

function outcome({ opened }: Meeting): string {
  if (opened.kind === 'open') return `${opened.host} at ${opened.address}`;
  return `${opened.host} ${opened.phase} ${opened.reply?.code ?? opened.error}`;
}

test('the first host that takes us carries the mail, and the others hear nothing', async () => {
  const meeting = await meet({ [FIRST]: [greets], [ALSO_FIRST]: [greets], [SECOND]: [greets] });
  assert.equal(outcome(meeting), `mx1.acme.example at ${FIRST}`);
  assert.deepEqual(meeting.met, [FIRST]);
  assert.equal(memory.of('mx1.acme.example').offers?.pipelining, true);
});

test('addresses of a host are tried in turn, then the next host', async () => {
  assert.equal(outcome(await meet({ [ALSO_FIRST]: [greets] })), `mx1.acme.example at ${ALSO_FIRST}`);
  const meeting = await meet({ [FIRST]: [says('421 busy')], [ALSO_FIRST]: [hangsUp], [SECOND]: [greets] });
  assert.equal(outcome(meeting), `mx2.acme.example at ${SECOND}`);
  assert.deepEqual(meeting.met, [FIRST, ALSO_FIRST, SECOND]);
});

test('a host that refuses us for good at its greeting is no reason to spare the next one', async () => {
  const meeting = await meet({
    [FIRST]: [says('554 no')],
    [ALSO_FIRST]: [says('554 no')],
    [SECOND]: [greets],
  });
  assert.equal(outcome(meeting), `mx2.acme.example at ${SECOND}`);
});

test('what a host says against our EHLO is handed over with its name', async () => {
  const refuses: Script = async (peer) => {
    peer.say('220 mx2');
    await peer.hear('EHLO camp.test\r\n');
    peer.say('421 4.7.0 your address has no name');
    await peer.closed();
  };
  const { opened } = await meet({ [SECOND]: [refuses] });
  assert.ok(opened.kind === 'failed');
  assert.deepEqual([opened.host, opened.phase], ['mx2.acme.example', 'ehlo']);
  assert.deepEqual(opened.reply, { code: 421, enhanced: '4.7.0', text: 'your address has no name' });
});

const refused = /^mx1\.acme\.example connect .*ECONNREFUSED/;
const tellings: readonly [name: string, scripts: Record<string, Script[]>, told: RegExp][] = [
  [
    'a refusal in words beats a broken session',
    { [FIRST]: [hangsUp], [SECOND]: [says('554 5.7.1 blocked')] },
    /^mx2\S+ greeting 554$/,
  ],
  [
    'the first of two refusals in words is told',
    { [FIRST]: [says('421 a')], [SECOND]: [says('554 b')] },
    /421$/,
  ],
  [
    'a broken session beats a refused connection',
    { [SECOND]: [says('HTTP/1.1 400')] },
    /^mx2\S+ greeting not/,
  ],
  ['a refused connection is told when there is nothing else', { '127.0.0.9': [] }, refused],
];
for (const [name, scripts, told] of tellings)
  test(`when no host takes us, ${name}`, async () => assert.match(outcome(await meet(scripts)), told));

test('when no host takes us, a refused connection beats silence', async () => {
  const quiet = await meet({ [FIRST]: [silent], [SECOND]: [silent] }, { timeouts: { greeting: 40 } });
  assert.match(outcome(quiet), refused);
});

test('a host without an address and a host whose address cannot be learned are passed over', async () => {
  const names: Zone = { 'mx2.acme.example': { A: [SECOND] }, 'mx3.acme.example': { fails: 'SERVFAIL' } };
  const three = { hosts: [...hosts, 'mx3.acme.example'] };
  const reached = await meet({ [SECOND]: [greets] }, three, names);
  assert.equal(outcome(reached), `mx2.acme.example at ${SECOND}`);
  const none = await meet({ '127.0.0.9': [] }, { hosts: ['mx1.acme.example'] }, names);
  assert.equal(outcome(none), 'mx1.acme.example connect mx1.acme.example has no address');
  const failed = await meet({ '127.0.0.9': [] }, { hosts: ['mx3.acme.example'] }, names);
  assert.match(outcome(failed), /^mx3\.acme\.example connect DNS A .*SERVFAIL/);
});

test('one connection bothers at most four addresses of a host, and five hosts', async () => {
  const many = Array.from({ length: 6 }, (_, index) => `mx${index + 1}.acme.example`);
  const addresses = many.map((_, index) => `127.0.0.${index + 2}`);
  const names: Zone = Object.fromEntries(many.map((name, index) => [name, { A: [addresses[index] ?? ''] }]));
  const scripts = Object.fromEntries(addresses.map((address) => [address, [hangsUp, hangsUp]]));
  const fiveHosts = await meet(scripts, { hosts: many }, names);
  assert.deepEqual(fiveHosts.met, addresses.slice(0, 5));
  const large = await meet(
    scripts,
    { hosts: ['mx1.acme.example'] },
    { 'mx1.acme.example': { A: addresses } },
  );
  assert.deepEqual(large.met, addresses.slice(0, 4));
});

test('mail leaves from the source address, and only to addresses of its family', async () => {
  const source: { heard?: string | undefined } = {};
  const notesSource: Script = async (peer: Peer) => {
    source.heard = peer.socket.remoteAddress;
    await greets(peer);
  };
  const names: Zone = { 'mx1.acme.example': { AAAA: ['::1'] }, 'mx2.acme.example': { A: [SECOND] } };
  const both = { '::1': [greets], [SECOND]: [notesSource] };
  const meeting = await meet(both, { localAddress: '127.0.0.7' }, names);
  assert.equal(outcome(meeting), `mx2.acme.example at ${SECOND}`);
  assert.equal(source.heard, '127.0.0.7');
  const other = await meet({ [SECOND]: [] }, { localAddress: '::1', hosts: ['mx2.acme.example'] }, names);
  assert.match(outcome(other), /mx2\.acme\.example has no IPv6 address/);
});

test('a host that could not be reached is tried after the others the next time', async () => {
  await meet({ [SECOND]: [greets] });
  const { met } = await meet({ [FIRST]: [greets], [SECOND]: [greets] });
  assert.deepEqual(met, [SECOND]);
});

test('hosts that keep us waiting have one time for all of them', async () => {
  const tries = { [FIRST]: [silent], [ALSO_FIRST]: [silent], [SECOND]: [silent] };
  const meeting = await meet(tries, { openMs: 60 });
  assert.match(outcome(meeting), /^mx1\.acme\.example .*out of time after/);
  assert.ok(!meeting.met.includes(ALSO_FIRST) && !meeting.met.includes(SECOND));
});

test('who stops a worker does not wait for hosts that do not answer', async () => {
  const stops: Script = async (peer) => {
    peer.say('220 mx1');
    await peer.hear('EHLO camp.test\r\n');
    scope.cancel('SIGTERM');
    await peer.closed();
  };
  const meeting = await meet({ [FIRST]: [stops], [ALSO_FIRST]: [greets], [SECOND]: [greets] });
  assert.match(outcome(meeting), /^mx1\.acme\.example ehlo /);
  assert.deepEqual(meeting.met, [FIRST]);
  assert.equal(memory.of('mx1.acme.example').lastFailure, null, 'it says nothing of the host');
});

test('after how many messages a host closes is remembered', async () => {
  const takesOne: Script = async (peer) => {
    await peer.open('PIPELINING');
    await peer.envelope();
    await peer.hear('\r\n.\r\n');
    peer.say('250 Ok');
    peer.socket.end();
  };
  await using mail = await scriptedHosts({ [FIRST]: [takesOne] });
  await using dns = await scriptedDns(zone);
  const opened = await openMxConnection(scope, optionsOf(dns, mail));
  assert.ok(opened.kind === 'open');
  const closed = new Promise((resolve) => opened.connection.onClosedBetween(resolve));
  assert.equal((await opened.connection.send(message, yes)).kind, 'accepted');
  await closed;
  assert.equal(memory.of('mx1.acme.example').messagesPerConnection, 1);
});

test('a message that was begun with one host is never offered to another one', async () => {
  const cuts: Script = async (peer) => {
    await peer.open('PIPELINING');
    await peer.hear('DATA\r\n');
    peer.socket.destroy();
  };
  await using mail = await scriptedHosts({ [FIRST]: [cuts], [ALSO_FIRST]: [greets], [SECOND]: [greets] });
  await using dns = await scriptedDns(zone);
  const opened = await openMxConnection(scope, optionsOf(dns, mail));
  assert.ok(opened.kind === 'open');
  assert.equal((await opened.connection.send(message, yes)).kind, 'lost');
  assert.equal((await opened.connection.send(message, yes)).kind, 'lost');
  assert.deepEqual(mail.met, [FIRST]);
});

test('an address has 10 s to take the connection while others are left, the last one 30 s', async (t) => {
  await using silence = await silentRelay();
  await using dns = await scriptedDns({
    'mx1.acme.example': { A: ['127.0.0.1'] },
    'mx2.acme.example': { A: ['127.0.0.1'] },
  });
  const { timers } = t.mock;
  timers.enable({ apis: ['setTimeout'] });
  const opening = openMxConnection(scope, optionsOf(dns, silence));
  await connecting('mx1.acme.example');
  timers.tick(9_999);
  await connecting('mx1.acme.example');
  timers.tick(1);
  await connecting('mx2.acme.example');
  timers.tick(29_999);
  await connecting('mx2.acme.example');
  timers.tick(1);
  const failed = await opening;
  assert.ok(failed.kind === 'failed' && failed.timedOut);
  assert.equal(failed.host, 'mx1.acme.example');
});

/** Waits until a connection to `host`, and to no other, is being made. */
async function connecting(host: string): Promise<void> {
  const under = () =>
    openScopeNames().filter((name) => name.includes('/open mx1') || name.includes('/open mx2'));
  do await new Promise((resolve) => setImmediate(resolve));
  while (under().length === 0);
  assert.deepEqual(under(), [`test/open ${host}`]);
}
