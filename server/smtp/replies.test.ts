import assert from 'node:assert/strict';
import { test } from 'node:test';
import { classify, rules } from './replies.ts';
import { type Reply, ReplyParser } from './reply.ts';
import type { TimedPhase } from './timeouts.ts';

type Phase = Parameters<typeof classify>[0];
type Example = readonly [phase: Phase & TimedPhase, line: string];

/** Per row: a reply that reaches it with what must follow from it, and a near miss that must go elsewhere. */
const fixtures: Record<string, { hit: Example; means: string; miss: Example }> = {
  accepted: {
    hit: ['dot', '250 2.0.0 Ok: queued as 4Bxyz'],
    means: 'accepted destination',
    miss: ['dot', '450 4.0.0 Not ok'],
  },
  'throttle-text': {
    hit: ['rcpt', '451 4.4.2 Too many concurrent connections from your host'],
    means: 'throttled destination',
    miss: ['rcpt', '452 4.5.3 Too many recipients'],
  },
  'throttle-sender': {
    hit: ['dot', '421 4.7.30 Your email has been rate-controlled because DKIM did not pass'],
    means: 'throttled sender',
    miss: ['dot', '421 4.7.28 An unusual amount of unsolicited email'],
  },
  'throttle-421': {
    hit: ['mail', '421 4.3.0 Service shutting down'],
    means: 'throttled destination',
    miss: ['mail', '451 4.3.0 Temporary lookup failure'],
  },
  'auth-failed': {
    hit: ['auth', '535 5.7.8 Authentication credentials invalid'],
    means: 'route route',
    miss: ['mail', '535 5.7.8 Authentication credentials invalid'],
  },
  session: {
    hit: ['greeting', '554 5.7.1 No service for you'],
    means: 'route route',
    miss: ['rcpt', '554 5.7.1 No service for you'],
  },
  'auth-required': {
    hit: ['mail', '503 5.5.4 Send AUTH first'],
    means: 'route route',
    miss: ['mail', '503 5.5.1 Bad sequence of commands'],
  },
  'auth-code': {
    hit: ['mail', '530 5.7.0 No'],
    means: 'route route',
    miss: ['rcpt', '550 5.7.0 No'],
  },
  'relay-denied': {
    hit: ['rcpt', '554 5.7.1 <a@example.net>: Relay access denied'],
    means: 'route route',
    miss: ['rcpt', '554 5.7.1 <a@example.net>: Access denied'],
  },
  'account-limit': {
    hit: ['dot', '550 5.4.5 Daily user sending quota exceeded'],
    means: 'route route',
    miss: ['dot', '552 5.2.2 User quota exceeded'],
  },
  'helo-refused': {
    hit: ['rcpt', '504 5.5.2 <box>: Helo command rejected: need fully-qualified hostname'],
    means: 'route route',
    miss: ['rcpt', '550 5.1.1 <helo@example.net>: user unknown'],
  },
  greylist: {
    hit: ['rcpt', '450 4.2.0 <a@example.net>: Recipient address rejected: Greylisted, see later'],
    means: 'deferred destination',
    miss: ['rcpt', '550 5.7.1 Not on our greylist'],
  },
  'greylist-code': {
    hit: ['rcpt', '451 4.7.1 Please try again in five minutes'],
    means: 'deferred destination',
    miss: ['dot', '451 4.7.1 Please try again in five minutes'],
  },
  size: {
    hit: ['mail', '552 5.3.4 Over the fixed maximum'],
    means: 'rejected content',
    miss: ['mail', '552 5.3.5 Over the fixed maximum'],
  },
  'size-text': {
    hit: ['dot', '552 Message size exceeds fixed limit'],
    means: 'rejected content',
    miss: ['dot', '552 Mailbox exceeds its quota'],
  },
  'sender-refused': {
    hit: ['mail', '553 5.7.1 <news@example.com>: not owned by user shop'],
    means: 'route sender',
    miss: ['mail', '450 4.7.1 <news@example.com>: not owned by user shop'],
  },
  'sender-identity': {
    hit: ['dot', '550 5.7.26 This mail is unauthenticated'],
    means: 'rejected sender',
    miss: ['dot', '550 5.7.28 This mail is unusual'],
  },
  'sender-text': {
    hit: ['dot', "550 5.7.1 Rejected by the domain's DMARC policy"],
    means: 'rejected sender',
    miss: ['dot', '550 5.7.1 Rejected by policy'],
  },
  'sender-address': {
    hit: ['rcpt', '550 5.1.8 Domain of sender is gone'],
    means: 'rejected sender',
    miss: ['rcpt', '550 5.1.6 Recipient has moved'],
  },
  'source-blocked': {
    hit: ['rcpt', '550 5.7.1 Client host [192.0.2.1] blocked using a list'],
    means: 'rejected source',
    miss: ['rcpt', '550 5.7.1 Client host [192.0.2.1] refused'],
  },
  'content-text': {
    hit: ['dot', '550 This message looks like spam'],
    means: 'rejected content',
    miss: ['rcpt', '550 <spammer@example.net> user unknown'],
  },
  'recipient-rate': {
    hit: ['rcpt', '550 5.2.1 The user is receiving email at a rate that prevents additional messages'],
    means: 'rejected recipient',
    miss: ['rcpt', '550 5.2.1 The user is not receiving email'],
  },
  'recipient-inactive': {
    hit: ['rcpt', '550 5.2.1 The email account that you tried to reach is inactive'],
    means: 'rejected recipient suppress',
    miss: ['rcpt', '550 5.2.1 The account is temporarily disabled'],
  },
  'recipient-full': {
    hit: ['rcpt', '452 The mailbox is full'],
    means: 'deferred recipient',
    miss: ['rcpt', '452 The system is full'],
  },
  'recipient-full-code': {
    hit: ['rcpt', '552 5.2.2 No room'],
    means: 'rejected recipient',
    miss: ['rcpt', '552 5.2.0 No room'],
  },
  'domain-text': {
    hit: ['rcpt', '550 <a@example.invalid>: Recipient address rejected: Domain not found'],
    means: 'rejected destination',
    miss: ['rcpt', '550 <a@example.net>: Recipient address not found in domain'],
  },
  'recipient-unknown': {
    hit: ['rcpt', '550 <a@example.net>: Recipient address rejected: User unknown in virtual table'],
    means: 'rejected recipient suppress',
    miss: ['rcpt', '550 5.4.1 Recipient address rejected: Access denied'],
  },
  'mailbox-unavailable': {
    hit: ['rcpt', '550 Requested action not taken: mailbox unavailable'],
    means: 'rejected recipient suppress',
    miss: ['rcpt', '550 5.7.1 Requested action not taken: mailbox unavailable'],
  },
  'recipient-code': {
    hit: ['dot', '550 5.1.1 Sorry'],
    means: 'rejected recipient suppress',
    miss: ['data', '550 5.1.1 Sorry'],
  },
  'recipient-ambiguous': {
    hit: ['rcpt', '550 5.1.0 Address rejected'],
    means: 'rejected recipient',
    miss: ['rcpt', '550 5.1.9 Address rejected'],
  },
  domain: {
    hit: ['rcpt', '556 5.1.10 It has a null MX'],
    means: 'rejected destination',
    miss: ['rcpt', '550 5.1.1 It has no mailbox'],
  },
  'relay-overloaded': {
    hit: ['mail', '452 4.3.1 Insufficient system storage'],
    means: 'throttled destination',
    miss: ['mail', '451 4.3.0 Queue file write error'],
  },
  'throttle-policy': {
    hit: ['dot', '451 4.7.650 The mail server has been limited (S3113)'],
    means: 'throttled source',
    miss: ['dot', '550 5.7.650 The mail server has been limited'],
  },
  policy: {
    hit: ['dot', '554 5.7.9 Not accepted for policy reasons'],
    means: 'rejected content',
    miss: ['dot', '554 5.3.9 Not accepted for system reasons'],
  },
  destination: {
    hit: ['dot', '451 4.3.0 Queue file write error'],
    means: 'deferred destination',
    miss: ['dot', '451 4.2.4 List expansion trouble'],
  },
  protocol: {
    hit: ['dot', '554 5.5.1 Error: no valid recipients'],
    means: 'deferred us',
    miss: ['dot', '554 Error: no valid recipients'],
  },
  'bare-recipient': {
    hit: ['rcpt', '550 No'],
    means: 'rejected recipient',
    miss: ['dot', '550 No'],
  },
  'out-of-step': {
    hit: ['rcpt', '500 Command not recognized'],
    means: 'deferred us',
    miss: ['rcpt', '501 5.1.3 Bad recipient syntax'],
  },
  'bare-size': {
    hit: ['data', '552 Storage allocation'],
    means: 'rejected content',
    miss: ['data', '554 Storage allocation'],
  },
  'bare-temporary': {
    hit: ['dot', '451 Local error'],
    means: 'deferred destination',
    miss: ['rcpt', '450 Local error'],
  },
  'bare-content': {
    hit: ['dot', '554 Transaction failed'],
    means: 'rejected content',
    miss: ['data', '554 Transaction failed'],
  },
  'bare-permanent': {
    hit: ['data', '554 Transaction failed'],
    means: 'rejected destination',
    miss: ['dot', '554 Transaction failed'],
  },
  unfinished: {
    hit: ['dot', '354 Go on'],
    means: 'route us',
    miss: ['dot', '250 Go on'],
  },
};

test('every row of the reply table has an example and a near miss', () => {
  assert.deepEqual(Object.keys(fixtures).sort(), rules.map((row) => row.rule).sort());
});

for (const [rule, { hit, means, miss }] of Object.entries(fixtures)) {
  test(`"${hit[1]}" at ${hit[0]} is ${means} (${rule}), and its near miss is not`, () => {
    const found = classify(hit[0], parsed(hit[1]));
    assert.equal(found.rule, rule);
    assert.equal(`${found.class} ${found.fault}${found.suppress ? ' suppress' : ''}`, means);
    assert.notEqual(classify(miss[0], parsed(miss[1])).rule, rule);
  });
}

/** Replies of mailbox providers and relays as they are met, and what they must lead to. */
const met: readonly [Example, string][] = [
  [
    ['rcpt', '550 5.1.1 The email account that you tried to reach does not exist.'],
    'rejected recipient suppress',
  ],
  [['rcpt', '552 5.2.2 The recipient is out of storage space and inactive.'], 'rejected recipient suppress'],
  [['rcpt', '452 4.2.2 The recipient inbox is out of storage space.'], 'deferred recipient'],
  [
    ['rcpt', '450 4.2.1 The user you are trying to contact is receiving email too quickly'],
    'deferred recipient',
  ],
  [
    ['dot', "554 delivery error: dd This user doesn't have a yahoo.com account"],
    'rejected recipient suppress',
  ],
  [
    ['dot', '554 30 Sorry, your message cannot be delivered. This mailbox is disabled (554.30)'],
    'rejected recipient suppress',
  ],
  [['rcpt', '550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found'], 'rejected recipient suppress'],
  [['dot', '432 4.3.2 STOREDRV.Deliver; recipient thread limit exceeded'], 'deferred recipient'],
  [
    ['dot', '421 4.7.0 [TSS04] Messages temporarily deferred due to unexpected volume'],
    'throttled destination',
  ],
  [['dot', '421 5.7.32 The From header is not aligned'], 'throttled sender'],
  [['dot', '550 5.7.1 Very low reputation of the sending IP address'], 'rejected source'],
  [['dot', '550 5.7.515 Access denied, sending domain does not meet the level'], 'rejected sender'],
  [['rcpt', '450 4.1.1 <a@example.net>: unverified address: user unknown'], 'deferred recipient'],
  [['rcpt', '501 5.1.3 Bad recipient address syntax'], 'rejected recipient suppress'],
  [['greeting', '421 Too many connections'], 'throttled destination'],
  [['auth', '454 4.7.0 Temporary authentication failure'], 'route route'],
  [['rcpt', '454 4.7.1 <a@example.net>: Relay access denied'], 'route route'],
];

for (const [[phase, line], means] of met)
  test(`a reply from the field leads where it should: ${line}`, () => {
    const found = classify(phase, parsed(line));
    assert.equal(`${found.class} ${found.fault}${found.suppress ? ' suppress' : ''}`, means);
  });

test('no temporary refusal ever suppresses an address', () => {
  for (const { hit } of Object.values(fixtures))
    for (const phase of ['rcpt', 'dot'] as const)
      assert.equal(classify(phase, { ...parsed(hit[1]), code: 450 }).suppress, false);
});

function parsed(line: string): Reply {
  const replies: Reply[] = [];
  assert.equal(new ReplyParser().feed(`${line}\r\n`, replies), null);
  const [reply] = replies;
  assert.ok(reply);
  return reply;
}
