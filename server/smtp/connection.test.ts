import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Scope } from '../kernel/scope.ts';
import { type OpenResult, openConnection } from './connection.ts';
import { type Peer, scriptedRelay } from './scripted-relay.ts';
import type { SmtpTimeouts } from './timeouts.ts';
import { parseSmtpUrl } from './url.ts';

const message = { from: 'news@example.com', to: 'ada@example.net', data: 'Subject: hi\r\n\r\nbye\r\n' };
const yes = async () => true;

interface Play {
  query?: string;
  user?: string;
  timeouts?: Partial<SmtpTimeouts>;
}

/** Opens a connection to a relay that plays `script`, and hands over what came of it. */
async function play(
  script: (peer: Peer) => Promise<void>,
  judge: (opened: OpenResult, scope: Scope) => Promise<void> | void,
  { query = 'tls=none', user = '', timeouts = {} }: Play = {},
): Promise<void> {
  await using relay = await scriptedRelay(script);
  await using scope = Scope.root('test');
  const options = parseSmtpUrl(`smtp://${user}127.0.0.1:${relay.port}?${query}`);
  await judge(await openConnection(scope, { ...options, heloName: 'camp.test', timeouts }), scope);
  await relay.played;
}

function failure(opened: OpenResult): string {
  return opened.kind === 'failed' ? `${opened.phase} ${opened.reply?.code ?? opened.error}` : opened.kind;
}

test('a relay that refuses the connection is a failed route, not an exception', async () => {
  await using scope = Scope.root('test');
  const relay = await scriptedRelay(async () => {});
  await relay[Symbol.asyncDispose]();
  const options = parseSmtpUrl(`smtp://127.0.0.1:${relay.port}`);
  assert.match(
    failure(await openConnection(scope, { ...options, heloName: 'camp.test' })),
    /^connect .*ECONNREFUSED/,
  );
});

test('a relay that greets with a no is left at once', async () => {
  const script = async (peer: Peer) => {
    peer.say('554-no', '554 service');
    await peer.closed();
    assert.equal(peer.said, '');
  };
  await play(script, (opened) => assert.equal(failure(opened), 'greeting 554'));
});

test('something that is not a mail server is recognised', async () => {
  const script = async (peer: Peer) => peer.say('HTTP/1.1 400 Bad Request');
  await play(script, (opened) => assert.match(failure(opened), /^greeting not an SMTP reply/));
});

test('an old server that knows only HELO can be used', async () => {
  const script = async (peer: Peer) => {
    peer.say('220 old');
    assert.equal(await peer.hear(), 'EHLO camp.test\r\n');
    peer.say('500 what?');
    assert.equal(await peer.hear(), 'HELO camp.test\r\n');
    peer.say('250 hello');
    await peer.envelope();
    await peer.hear('\r\n.\r\n');
    peer.say('250 Ok');
  };
  await play(script, async (opened) => {
    assert.ok(opened.kind === 'open');
    assert.equal((await opened.connection.send(message, yes)).kind, 'accepted');
  });
});

test('a relay that is busy at EHLO is not asked again with HELO', async () => {
  const script = async (peer: Peer) => {
    peer.say('220 relay');
    await peer.hear();
    peer.say('421 busy');
    await peer.closed();
    assert.equal(peer.said, 'EHLO camp.test\r\n');
  };
  await play(script, (opened) => assert.equal(failure(opened), 'ehlo 421'));
});

for (const phase of ['greeting', 'ehlo', 'starttls', 'auth'] as const) {
  const silentAt = async (peer: Peer) => {
    if (phase !== 'greeting') peer.say('220 relay');
    if (phase === 'starttls' || phase === 'auth') {
      await peer.hear();
      peer.say(phase === 'auth' ? '250-relay\r\n250 AUTH LOGIN' : '250-relay\r\n250 STARTTLS');
    }
    await peer.closed();
  };
  const options = {
    user: 'u:p@',
    query: phase === 'auth' ? 'tls=none' : 'tls=required',
    timeouts: { [phase]: 60 },
  };
  test(`a relay that falls silent at ${phase} is left`, () =>
    play(
      silentAt,
      (opened) => assert.match(failure(opened), new RegExp(`^${phase} no answer within 60 ms`)),
      options,
    ));
}

test('a TLS handshake that never ends is left', async () => {
  const script = async (peer: Peer) => {
    await peer.open('STARTTLS');
    await peer.hear('STARTTLS\r\n');
    peer.say('220 go');
    await peer.closed();
  };
  const judge = (opened: OpenResult) => assert.match(failure(opened), /^starttls .*out of time/);
  await play(script, judge, { query: 'tls=required', timeouts: { starttls: 60 } });
});

test('a relay that closes instead of a TLS handshake is a failed route', async () => {
  const script = async (peer: Peer) => {
    await peer.open('STARTTLS');
    await peer.hear('STARTTLS\r\n');
    peer.socket.end('220 go\r\n');
  };
  const judge = (opened: OpenResult) => assert.match(failure(opened), /^starttls .*disconnected/);
  await play(script, judge, { query: 'tls=required' });
});

test('a relay without STARTTLS gets nothing when encryption is required', async () => {
  const script = async (peer: Peer) => {
    await peer.open('PIPELINING');
    await peer.closed();
    assert.equal(peer.said, 'EHLO camp.test\r\n');
  };
  const judge = (opened: OpenResult) =>
    assert.match(failure(opened), /^starttls the server offers no STARTTLS/);
  await play(script, judge, { query: 'tls=required', user: 'u:hunter2@' });
});

for (const [tls, result] of [
  ['opportunistic', 'open'],
  ['required', 'starttls 454'],
])
  test(`a relay whose TLS is out of order: ${tls} encryption ends in ${result}`, async () => {
    const script = async (peer: Peer) => {
      await peer.open('STARTTLS');
      await peer.hear('STARTTLS\r\n');
      peer.say('454 TLS not available');
    };
    await play(script, (opened) => assert.equal(failure(opened), result), { query: `tls=${tls}` });
  });

const dialogues: readonly [query: string, offer: string, dialogue: (string | RegExp)[], result: string][] = [
  ['', 'AUTH LOGIN PLAIN', [/^AUTH PLAIN AHUAcA==\r\n$/, '235 in'], 'open'],
  [
    '',
    'AUTH=LOGIN',
    [/^AUTH LOGIN\r\n$/, '334 VXNlcm5hbWU6', /^dQ==\r\n$/, '334 UGFzc3dvcmQ6', /^cA==\r\n$/, '235 in'],
    'open',
  ],
  ['&auth=login', 'AUTH PLAIN LOGIN', [/^AUTH LOGIN\r\n$/, '535 5.7.8 no'], 'auth 535'],
  [
    '&auth=xoauth2',
    'AUTH XOAUTH2',
    [/^AUTH XOAUTH2 dXNlcj11AWF1dGg9QmVhcmVyIHABAQ==\r\n$/, '334 e30=', /^\r\n$/, '535 no'],
    'auth 535',
  ],
  ['&auth=plain', 'AUTH CRAM-MD5', [], 'auth the relay does not offer AUTH PLAIN (it offers: CRAM-MD5)'],
  ['', 'HELP', [], 'auth the relay does not offer AUTH PLAIN or LOGIN (it offers: none)'],
];
for (const [query, offer, dialogue, result] of dialogues)
  test(`logging in${query} to a relay that says "${offer}" ends in: ${result}`, async () => {
    const script = async (peer: Peer) => {
      await peer.open(offer);
      for (const turn of dialogue)
        if (typeof turn === 'string') peer.say(turn);
        else assert.match(await peer.hear(), turn);
    };
    await play(script, (opened) => assert.equal(failure(opened), result), {
      query: `tls=none${query}`,
      user: 'u:p@',
    });
  });

test('a close between messages is noticed, and costs nothing', async () => {
  const script = async (peer: Peer) => {
    await peer.open('PIPELINING');
    await peer.envelope();
    await peer.hear('\r\n.\r\n');
    peer.say('250 Ok');
    peer.socket.end();
  };
  await play(script, async (opened) => {
    assert.ok(opened.kind === 'open');
    const { connection } = opened;
    const closed = new Promise((resolve) => connection.onClose(resolve));
    assert.equal((await connection.send(message, yes)).kind, 'accepted');
    assert.equal(await closed, 'the server closed the connection');
    assert.equal(connection.usable, false);
    const late = await connection.send(message, yes);
    assert.ok(late.kind === 'lost' && !late.dotSent);
  });
});

test('a server that closes after some messages is known for how many, and nothing is held against the next', async () => {
  const takesTwo = async (peer: Peer) => {
    await peer.open('PIPELINING');
    for (const end of [false, true]) {
      await peer.envelope();
      await peer.hear('\r\n.\r\n');
      peer.say('250 Ok');
      if (end) peer.socket.end();
    }
  };
  await play(takesTwo, async (opened) => {
    assert.ok(opened.kind === 'open');
    const { connection } = opened;
    const closed = new Promise((resolve) => connection.onClosedBetween(resolve));
    for (let sent = 0; sent < 2; sent += 1) {
      assert.equal(connection.closedBetween, null);
      assert.equal((await connection.send(message, yes)).kind, 'accepted');
    }
    assert.deepEqual(await closed, connection.closedBetween);
    assert.equal(connection.closedBetween?.messages, 2);
    assert.ok(connection.closedBetween.restedMs < 5_000);
  });
});

test('a close that crosses our next MAIL is one between messages too', async () => {
  const takesOne = async (peer: Peer) => {
    await peer.open('PIPELINING');
    await peer.envelope();
    await peer.hear('\r\n.\r\n');
    peer.say('250 Ok');
    await peer.hear('DATA\r\n');
    peer.socket.resetAndDestroy();
  };
  await play(takesOne, async (opened) => {
    assert.ok(opened.kind === 'open');
    const { connection } = opened;
    assert.equal((await connection.send(message, yes)).kind, 'accepted');
    const result = await connection.send(message, yes);
    assert.ok(result.kind === 'lost' && result.phase === 'mail' && !result.dotSent);
    assert.equal(connection.closedBetween?.messages, 1);
  });
});

const otherEnds: Record<string, { script: (peer: Peer) => Promise<void>; messages: number }> = {
  'before the first message': {
    script: async (peer) => {
      await peer.open('PIPELINING');
      await peer.hear('DATA\r\n');
      peer.socket.resetAndDestroy();
    },
    messages: 1,
  },
  'in the middle of a message': {
    script: async (peer) => {
      await peer.open('PIPELINING');
      await peer.envelope();
      await peer.hear('\r\n.\r\n');
      peer.say('250 Ok');
      await peer.hear('DATA\r\n');
      peer.socket.end('250 2.1.0 Ok\r\n');
    },
    messages: 2,
  },
  'after our QUIT': {
    script: async (peer) => {
      await peer.open('PIPELINING');
      await peer.envelope();
      await peer.hear('\r\n.\r\n');
      peer.say('250 Ok');
      await peer.hear('QUIT\r\n');
      peer.socket.end();
    },
    messages: 1,
  },
};
for (const [when, { script, messages }] of Object.entries(otherEnds))
  test(`a close ${when} is none between messages`, () =>
    play(script, async (opened) => {
      assert.ok(opened.kind === 'open');
      const { connection } = opened;
      const closed = new Promise((resolve) => connection.onClose(resolve));
      for (let sent = 0; sent < messages; sent += 1) await connection.send(message, yes);
      if (connection.usable) connection.quit();
      await closed;
      assert.equal(connection.closedBetween, null);
    }));

test('a relay is reached at an address that is not its name, from an address that we choose', async () => {
  let from: string | undefined;
  await using relay = await scriptedRelay(async (peer) => {
    from = peer.socket.remoteAddress;
    await peer.open('PIPELINING');
  });
  await using scope = Scope.root('test');
  const options = parseSmtpUrl(`smtp://relay.example:${relay.port}`);
  const there = { address: '127.0.0.1', localAddress: '127.0.0.6' };
  const opened = await openConnection(scope, { ...options, ...there, heloName: 'camp.test' });
  assert.equal(failure(opened), 'open');
  assert.equal(from, '127.0.0.6');
});

test('an opening has one time for all its phases', async () => {
  const slow = async (peer: Peer) => {
    peer.say('220 relay');
    await peer.hear();
    await peer.closed();
  };
  await using relay = await scriptedRelay(slow);
  await using scope = Scope.root('test');
  const options = parseSmtpUrl(`smtp://127.0.0.1:${relay.port}`);
  const opened = await openConnection(scope, { ...options, heloName: 'camp.test', openMs: 50 });
  assert.match(failure(opened), /out of time after/);
  assert.ok(opened.kind === 'failed' && opened.timedOut);
});

test('a server that says goodbye between messages is not given another one', async () => {
  const script = async (peer: Peer) => {
    await peer.open('PIPELINING');
    peer.say('421 4.4.2 idle for too long');
    await peer.closed();
  };
  await play(script, async (opened) => {
    assert.ok(opened.kind === 'open');
    const why = await new Promise((resolve) => opened.connection.onClose(resolve));
    assert.equal(why, 'the server spoke out of turn: 421 idle for too long');
    assert.equal(opened.connection.usable, false);
  });
});

test('a connection takes leave and does not wait for a server that does not answer', async () => {
  const script = async (peer: Peer) => {
    await peer.open('PIPELINING');
    assert.equal(await peer.hear(), 'QUIT\r\n');
  };
  const judge = async (opened: OpenResult) => {
    assert.ok(opened.kind === 'open');
    const { connection } = opened;
    const closed = new Promise((resolve) => connection.onClose(resolve));
    connection.quit();
    assert.equal(connection.usable, false);
    await closed;
  };
  await play(script, judge, { timeouts: { quit: 60 } });
});

test('the end of its scope ends a connection in the middle of a message', async () => {
  const script = async (peer: Peer) => {
    await peer.open('PIPELINING');
    await peer.envelope();
    await peer.closed();
    assert.ok(peer.said.endsWith('DATA\r\n'));
  };
  await play(script, async (opened, scope) => {
    assert.ok(opened.kind === 'open');
    const result = await opened.connection.send(message, async () => {
      scope.cancel('enough');
      return true;
    });
    assert.ok(result.kind === 'lost' && !result.dotSent, JSON.stringify(result));
  });
});
