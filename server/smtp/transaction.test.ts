import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Scope } from '../kernel/scope.ts';
import { openConnection, type SmtpConnection } from './connection.ts';
import { type Peer, scriptedRelay } from './scripted-relay.ts';
import type { TransactionPhase } from './timeouts.ts';
import type { SendResult } from './transaction.ts';
import { parseSmtpUrl } from './url.ts';

const message = {
  from: 'news@example.com',
  to: 'ada@example.net',
  data: 'Subject: hi\r\n\r\n.dot\r\nbye\r\n',
};
const onTheWire = 'Subject: hi\r\n\r\n..dot\r\nbye\r\n.\r\n';
const yes = async () => true;

/** Plays `script` after the opening, with and without PIPELINING, against what `client` does. */
function eachWay(
  name: string,
  script: (peer: Peer) => Promise<void>,
  client: (connection: SmtpConnection, pipelining: boolean) => Promise<void>,
  timeouts = {},
): void {
  for (const keyword of ['PIPELINING', 'HELP'])
    test(`${name} (${keyword === 'HELP' ? 'command by command' : 'pipelined'})`, async () => {
      await using relay = await scriptedRelay(async (peer) => {
        await peer.open(keyword);
        await script(peer);
      });
      await using scope = Scope.root('test');
      const options = parseSmtpUrl(`smtp://127.0.0.1:${relay.port}?tls=none`);
      const opened = await openConnection(scope, { ...options, heloName: 'camp.test', timeouts });
      assert.equal(opened.kind, 'open');
      if (opened.kind === 'open') await client(opened.connection, keyword === 'PIPELINING');
      await relay.played;
    });
}

function lost(result: SendResult): Extract<SendResult, { kind: 'lost' }> {
  assert.equal(result.kind, 'lost');
  if (result.kind !== 'lost') throw new Error('unreachable');
  return result;
}

function refused(result: SendResult): string {
  return result.kind === 'refused' ? `${result.phase} ${result.reply.code}` : JSON.stringify(result);
}

eachWay(
  'two messages go over one connection, without a RSET between',
  async (peer) => {
    for (const id of ['one', 'two']) {
      await peer.envelope();
      await peer.hear(onTheWire);
      peer.say(`250 2.0.0 queued as ${id}`);
    }
    const envelope = 'MAIL FROM:<news@example.com>\r\nRCPT TO:<ada@example.net>\r\nDATA\r\n';
    assert.equal(peer.said, `EHLO camp.test\r\n${(envelope + onTheWire).repeat(2)}`);
  },
  async (connection) => {
    for (const id of ['one', 'two'])
      assert.deepEqual(await connection.send(message, yes), {
        kind: 'accepted',
        reply: { code: 250, enhanced: '2.0.0', text: `queued as ${id}` },
      });
    assert.equal(connection.sent, 2);
    assert.equal(connection.usable, true);
  },
);

eachWay(
  'a reply that comes byte by byte is the same reply',
  async (peer) => {
    peer.socket.setNoDelay(true);
    await peer.hear('\r\n');
    for (const byte of '250-2.1.0 So\r\n250 2.1.0 be it\r\n') {
      peer.socket.write(byte);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await peer.hear('\r\n');
    peer.say('550-5.1.1 No such', '550 5.1.1 user');
    if (peer.said.includes('DATA')) peer.say('503 5.5.1 no valid recipients');
  },
  async (connection) => {
    assert.deepEqual(await connection.send(message, yes), {
      kind: 'refused',
      phase: 'rcpt',
      reply: { code: 550, enhanced: '5.1.1', text: 'No such\nuser' },
    });
  },
);

eachWay(
  'a refused recipient costs no connection: RSET goes in front of the next message',
  async (peer) => {
    await peer.hear('MAIL FROM:<news@example.com>\r\n');
    peer.say('250 Ok');
    await peer.hear('RCPT TO:<ada@example.net>\r\n');
    peer.say('550 5.1.1 unknown');
    if (peer.said.includes('DATA')) peer.say('554 5.5.1 no valid recipients');
    assert.match(await peer.hear('RSET\r\n'), /^(DATA\r\n)?RSET\r\n$/);
    peer.say('250 Flushed');
    await peer.envelope();
    await peer.hear(onTheWire);
    peer.say('250 queued');
  },
  async (connection) => {
    assert.equal(refused(await connection.send(message, yes)), 'rcpt 550');
    assert.equal(connection.usable, true);
    assert.equal((await connection.send(message, yes)).kind, 'accepted');
  },
);

eachWay(
  'a DATA that is accepted without a recipient is ended by a lone dot',
  async (peer) => {
    await peer.hear('\r\n');
    peer.say('250 Ok');
    await peer.hear('\r\n');
    peer.say('550 no');
    if (!peer.said.includes('DATA')) return;
    peer.say('354 go on all the same');
    assert.equal(await peer.hear('.\r\n'), 'DATA\r\n.\r\n');
    peer.say('554 no recipients');
  },
  async (connection) => {
    let asked = false;
    const result = await connection.send(message, async () => {
      asked = true;
      return true;
    });
    assert.equal(refused(result), 'rcpt 550');
    assert.equal(asked, false, 'nothing of the message may be marked as sent');
    assert.equal(connection.usable, true);
  },
);

for (const [where, ...replies] of [
  ['behind the refusal', '421 4.3.2 shutting down'],
  ['to the lone dot', '354 go on all the same', '421 4.3.2 shutting down'],
] as const)
  eachWay(
    `a refused recipient is refused for good, also when a 421 comes ${where}`,
    async (peer) => {
      await peer.hear('\r\n');
      peer.say('250 Ok');
      await peer.hear('\r\n');
      peer.say('550 5.1.1 unknown');
      if (!peer.said.includes('DATA')) return;
      peer.say(...replies);
      await peer.closed();
    },
    async (connection, pipelining) => {
      assert.equal(refused(await connection.send(message, yes)), 'rcpt 550');
      assert.equal(connection.usable, !pipelining);
    },
  );

for (const [phase, before] of [
  ['mail', 0],
  ['rcpt', 1],
  ['data', 2],
] as const) {
  const accept = async (peer: Peer) => {
    for (let count = 0; count < before; count++) {
      await peer.hear('\r\n');
      peer.say('250 Ok');
    }
    await peer.hear('\r\n');
  };

  eachWay(
    `a 421 at ${phase} ends the connection and says nothing about the message`,
    async (peer) => {
      await accept(peer);
      peer.say('421 4.3.2 shutting down');
      await peer.closed();
    },
    async (connection) => {
      const result = lost(await connection.send(message, yes));
      assert.deepEqual([result.phase, result.dotSent, result.reply?.code], [phase, false, 421]);
      assert.equal(connection.usable, false);
    },
  );

  eachWay(
    `a 503 at ${phase} means that server and client are out of step`,
    async (peer) => {
      await accept(peer);
      peer.say('503 5.5.1 bad sequence');
      await peer.closed();
    },
    async (connection) => {
      const result = lost(await connection.send(message, yes));
      assert.deepEqual([result.phase, result.dotSent], [phase, false]);
      assert.equal(connection.usable, false);
    },
  );

  eachWay(
    `a connection that breaks at ${phase} loses no message`,
    async (peer) => {
      await accept(peer);
      peer.socket.destroy();
    },
    async (connection) => {
      const result = lost(await connection.send(message, yes));
      assert.deepEqual([result.phase, result.dotSent], [phase, false]);
    },
  );

  eachWay(
    `a server that falls silent at ${phase} is left`,
    async (peer) => {
      await accept(peer);
      await peer.closed();
    },
    async (connection) => {
      const result = lost(await connection.send(message, yes));
      assert.deepEqual([result.phase, result.dotSent], [phase, false]);
      assert.match(result.error, new RegExp(`no answer within 60 ms \\(${phase}\\)`));
    },
    { [phase]: 60 },
  );
}

const afterTheDot: readonly [string, (peer: Peer) => void, RegExp][] = [
  ['closes', (peer) => peer.socket.end(), /closed the connection/],
  ['resets', (peer) => peer.socket.resetAndDestroy(), /ECONNRESET/],
  ['falls silent', () => {}, /no answer within 200 ms \(dot\)/],
  ['asks for more', (peer) => peer.say('354 more'), /out of step/],
  ['talks nonsense', (peer) => peer.say('Ok.'), /not an SMTP reply/],
];
for (const [what, act, why] of afterTheDot)
  eachWay(
    `nobody knows what became of a message when the server ${what} after its dot`,
    async (peer) => {
      await peer.envelope();
      await peer.hear(onTheWire);
      act(peer);
      await peer.closed();
    },
    async (connection) => {
      const result = lost(await connection.send(message, yes));
      assert.deepEqual([result.phase, result.dotSent], ['dot', true]);
      assert.match(result.error, why);
      assert.equal(connection.usable, false);
    },
    what === 'falls silent' ? { dot: 200 } : {},
  );

eachWay(
  'a 421 to the dot refuses the message, and the connection ends',
  async (peer) => {
    await peer.envelope();
    await peer.hear(onTheWire);
    peer.say('421 4.7.0 slow down');
    await peer.closed();
  },
  async (connection) => {
    assert.equal(refused(await connection.send(message, yes)), 'dot 421');
    assert.equal(connection.usable, false);
  },
);

eachWay(
  'an answer that a server gives before it closes counts',
  async (peer) => {
    await peer.envelope();
    await peer.hear(onTheWire);
    peer.socket.end('250 queued\r\n');
  },
  async (connection) => {
    assert.equal((await connection.send(message, yes)).kind, 'accepted');
  },
);

eachWay(
  'a process that was stopped for longer than a timeout still reads the answer that waits for it',
  async (peer) => {
    await peer.envelope();
    await peer.hear(onTheWire);
    peer.say('250 queued');
    // The answer is in the kernel; now nothing runs until long after the deadline.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 600);
  },
  async (connection) => {
    assert.equal((await connection.send(message, yes)).kind, 'accepted');
  },
  { dot: 300 },
);

eachWay(
  'a message that may not be sent any more is withheld, to its last byte',
  async (peer) => {
    await peer.envelope();
    await peer.closed();
    assert.ok(peer.said.endsWith('DATA\r\n'), peer.said);
  },
  async (connection) => {
    assert.deepEqual(await connection.send(message, async () => false), { kind: 'withheld' });
    assert.equal(connection.usable, false);
  },
);

eachWay(
  'a mark that cannot be written withholds the message too',
  async (peer) => {
    await peer.envelope();
    await peer.closed();
    assert.ok(peer.said.endsWith('DATA\r\n'), peer.said);
  },
  async (connection) => {
    const broken = new Error('no database');
    await assert.rejects(
      connection.send(message, () => Promise.reject(broken)),
      broken,
    );
    assert.equal(connection.usable, false);
  },
);

const large = { ...message, data: `Subject: large\r\n\r\n${'.long line\r\n'.repeat(100_000)}` };

test('a large message flows while the mark is written, but its dot waits for the mark', async () => {
  await using scope = Scope.root('test');
  const mark = Promise.withResolvers<boolean>();
  await using relay = await scriptedRelay(async (peer) => {
    await peer.open('PIPELINING');
    await peer.envelope();
    await peer.hear('..long line\r\n'.repeat(100_000));
    mark.resolve(true);
    assert.equal(await peer.hear('.\r\n'), '.\r\n');
    peer.say('250 queued');
  });
  const options = parseSmtpUrl(`smtp://127.0.0.1:${relay.port}?tls=none`);
  const opened = await openConnection(scope, { ...options, heloName: 'camp.test' });
  assert.ok(opened.kind === 'open');
  assert.equal((await opened.connection.send(large, () => mark.promise)).kind, 'accepted');
  await relay.played;
});

const huge = { ...large, data: large.data.repeat(20) };

eachWay(
  'a message larger than every buffer between goes at the pace of the server',
  async (peer) => {
    await peer.envelope();
    let left = huge.data.replaceAll('\r\n.', '\r\n..').length + '.\r\n'.length;
    peer.socket.removeAllListeners('data').on('data', (chunk: Buffer) => {
      left -= chunk.length;
      if (left === 0) peer.say('250 queued');
    });
  },
  async (connection) => {
    assert.equal((await connection.send(huge, yes)).kind, 'accepted');
  },
);

eachWay(
  'a server that refuses in the middle of a large message has not got it',
  async (peer) => {
    await peer.envelope();
    await peer.hear('.long line\r\n');
    peer.socket.end('552 5.3.4 too much\r\n');
    await peer.closed();
    assert.ok(!peer.said.includes('\r\n.\r\n'));
  },
  async (connection) => {
    const closed = new Promise<string>((resolve) => connection.onClose(resolve));
    const result = lost(await connection.send(large, async () => (await closed) !== ''));
    assert.deepEqual([result.phase, result.dotSent, result.reply?.code], ['data', false, 552]);
  },
);

eachWay(
  'a server that stops reading a large message is left',
  async (peer) => {
    await peer.envelope();
    peer.socket.pause();
  },
  async (connection) => {
    const result = lost(await connection.send(huge, yes));
    assert.deepEqual([result.phase, result.dotSent], ['data', false]);
    assert.match(result.error, /no answer within 100 ms \(block\)/);
  },
  { block: 100 },
);

eachWay(
  'a server that closes while the mark is written has not got the message',
  async (peer) => {
    await peer.envelope();
    peer.say('421 4.4.2 timeout');
    peer.socket.end();
  },
  async (connection) => {
    const closed = new Promise<string>((resolve) => connection.onClose(resolve));
    const result = lost(await connection.send(message, async () => (await closed) !== ''));
    assert.deepEqual([result.phase, result.dotSent, result.reply?.code], ['data', false, 421]);
  },
);

eachWay(
  'a RSET that a server refuses ends the connection, not the message',
  async (peer) => {
    await peer.hear('\r\n');
    peer.say('550 no');
    if (peer.said.includes('DATA')) peer.say('503 no', '503 no');
    await peer.hear('RSET\r\n');
    peer.say('502 no');
    await peer.closed();
  },
  async (connection) => {
    assert.equal(refused(await connection.send(message, yes)), 'mail 550');
    const result = lost(await connection.send(message, yes));
    assert.deepEqual([result.phase, result.dotSent], ['rset', false] satisfies [TransactionPhase, boolean]);
  },
);
