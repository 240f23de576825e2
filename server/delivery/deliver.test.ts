import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dueMessage } from '../../test/support/due-message.ts';
import { compileMessage } from '../content/message.ts';
import { compileTemplate, loadTemplate } from '../content/template.ts';
import { createSigner } from '../content/tokens.ts';
import { Scope } from '../kernel/scope.ts';
import { type Peer, scriptedRelay } from '../smtp/scripted-relay.ts';
import { parseSmtpUrl } from '../smtp/url.ts';
import { deliver } from './deliver.ts';
import type { Outcome } from './outcome.ts';
import { RelayLink } from './relay-link.ts';

interface Attempt {
  outcome: Outcome;
  marked: number;
  said: string;
}

/** Delivers one message to a relay that plays the script; the relay may also not be there. */
async function attempt(
  script: ((peer: Peer) => Promise<void>) | 'nobody listens',
  { message = dueMessage(), maySend = true, template = 'Hello {{ name }}' } = {},
): Promise<Attempt> {
  let said = '';
  const relay = await scriptedRelay(async (peer) => {
    await peer.open('PIPELINING');
    if (script !== 'nobody listens') await script(peer);
    said = peer.said;
  });
  await using scope = Scope.root('test');
  const { port } = relay;
  if (script === 'nobody listens') await relay[Symbol.asyncDispose]();
  const options = { ...parseSmtpUrl(`smtp://127.0.0.1:${port}?tls=none`), heloName: 'camp.test' };
  let marked = 0;
  const outcome = await deliver({
    message,
    content: compileMessage({
      template: compileTemplate(loadTemplate('t.txt', `---\nsubject: Hi\n---\n${template}`)),
      workspaceId: message.workspaceId,
      campaignId: message.campaignId,
      from: { email: 'news@camp.example' },
      trackingBase: 'https://camp.example',
      signer: createSigner('secret'),
    }),
    envelopeFrom: 'news@camp.example',
    dkimKeys: [],
    link: new RelayLink(scope, options),
    data: '',
    beforeDot: async () => {
      marked += 1;
      return maySend;
    },
  });
  if (script !== 'nobody listens') await relay[Symbol.asyncDispose]();
  return { outcome, marked, said };
}

/** The relay takes the envelope and answers the final dot. */
const atTheDot = (reply: string) => async (peer: Peer) => {
  await peer.envelope();
  await peer.hear('\r\n.\r\n');
  peer.say(reply);
};

const atRcpt = (reply: string) => async (peer: Peer) => {
  await peer.hear('DATA\r\n');
  peer.say('250 2.1.0 Ok', reply, '503 5.5.1 no recipient');
};

test('a message that the relay takes is accepted, marked once, before the dot', async () => {
  const { outcome, marked } = await attempt(atTheDot('250 2.0.0 queued as 1'));
  assert.deepEqual(
    [outcome.kind, 'detail' in outcome && outcome.detail],
    ['accepted', '250 2.0.0 queued as 1'],
  );
  assert.equal(marked, 1);
});

test('an unknown user is rejected and suppressed, without a mark', async () => {
  const { outcome, marked } = await attempt(atRcpt('550 5.1.1 no such user'));
  assert.equal(outcome.kind, 'rejected');
  assert.ok(outcome.kind === 'rejected' && outcome.trouble === 'dead');
  assert.equal(marked, 0);
});

test('a full mailbox waits', async () => {
  const { outcome } = await attempt(atRcpt('452 4.2.2 mailbox full'));
  assert.equal(outcome.kind, 'deferred');
});

test('a policy refusal after the dot is a rejection that suppresses nobody', async () => {
  const { outcome } = await attempt(atTheDot('554 5.7.1 message looks like spam'));
  assert.ok(outcome.kind === 'rejected' && outcome.trouble === null);
});

test('a connection that ends after the dot leaves the message uncertain', async () => {
  const { outcome } = await attempt(async (peer) => {
    await peer.envelope();
    await peer.hear('\r\n.\r\n');
    peer.socket.destroy();
  });
  assert.equal(outcome.kind, 'uncertain');
});

test('a connection that ends before the dot costs the message nothing', async () => {
  const { outcome } = await attempt(async (peer) => {
    await peer.hear('DATA\r\n');
    peer.socket.destroy();
  });
  assert.ok(outcome.kind === 'released' && outcome.trouble?.certain === false);
});

test('a session that the relay ends with 421 costs the message nothing', async () => {
  const { outcome } = await attempt(async (peer) => {
    await peer.hear('DATA\r\n');
    peer.say('421 4.7.0 slow down');
    await peer.closed();
  });
  assert.ok(outcome.kind === 'released' && outcome.trouble !== null && outcome.afterMs > 0);
});

test('a relay that is not there is the route’s trouble, for certain', async () => {
  const { outcome } = await attempt('nobody listens');
  assert.ok(outcome.kind === 'released' && outcome.trouble?.certain === true);
  assert.match(outcome.trouble.detail, /connect: .*ECONNREFUSED/);
});

test('a relay that wants a login first is the route’s trouble, for certain', async () => {
  const { outcome } = await attempt(async (peer) => {
    await peer.hear('DATA\r\n');
    peer.say('530 5.7.0 Authentication required', '503 5.5.1 no', '503 5.5.1 no');
  });
  assert.ok(outcome.kind === 'released' && outcome.trouble?.certain === true);
});

test('a sender that the relay refuses holds the campaign instead of burning its audience', async () => {
  const { outcome } = await attempt(async (peer) => {
    await peer.hear('DATA\r\n');
    peer.say('553 5.7.1 sender address not owned by user', '503 5.5.1 no', '503 5.5.1 no');
  });
  assert.equal(outcome.kind, 'held');
});

test('a message that may not be sent any more is not sent', async () => {
  const { outcome, said } = await attempt(
    async (peer) => {
      await peer.envelope();
      await peer.closed();
    },
    { maySend: false },
  );
  assert.deepEqual(outcome, { kind: 'released', afterMs: 0, trouble: null });
  assert.doesNotMatch(said, /\r\n\.\r\n/);
});

test('a recipient who left, or a message too old, never reaches the relay', async () => {
  const left = await attempt('nobody listens', {
    message: dueMessage({ suppressedBy: 'no longer subscribed' }),
  });
  assert.equal(left.outcome.kind, 'suppressed');
  const old = await attempt('nobody listens', { message: dueMessage({ secondsLeft: -1 }) });
  assert.equal(old.outcome.kind, 'expired');
});

test('a message that cannot be rendered is that recipient’s rejection only', async () => {
  const template = '{% for i in (1..1000000000) %}x{% endfor %}';
  const { outcome } = await attempt('nobody listens', { template });
  assert.ok(outcome.kind === 'rejected' && outcome.rule === 'unrenderable' && outcome.trouble === null);
});
