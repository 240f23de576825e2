import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Mailboxes } from './mailboxes.ts';

const shares = { unknownUser: 1 / 50, mailboxFull: 1 / 200 };
const recipients = Array.from({ length: 20_000 }, (_, at) => `reader${at}@gmail.example`);

function met(seed: number, fate: string): string[] {
  const mailboxes = new Mailboxes(seed, 0);
  return recipients.filter((recipient) => mailboxes.meet(recipient, shares) === fate);
}

test('each answer is met by as many recipients as it is said', () => {
  for (const [fate, expected] of Object.entries({ unknownUser: 400, mailboxFull: 100, overRate: 0 })) {
    const count = met(1, fate).length;
    assert.ok(Math.abs(count - expected) <= 4 * Math.sqrt(expected), `${fate}: ${count}`);
  }
});

test('the same recipients meet the same answers in every city of a seed, and others in another', () => {
  assert.deepEqual(met(5, 'unknownUser'), met(5, 'unknownUser'));
  const [five, six] = [new Set(met(5, 'unknownUser')), met(6, 'unknownUser')];
  const both = six.filter((recipient) => five.has(recipient)).length;
  assert.ok(both < 30, `${both} of 400 are the same`);
});

test('what passes does so after its attempts, and what does not never does', () => {
  const mailboxes = new Mailboxes(1, 0);
  const attempts = (recipient: string) => Array.from({ length: 4 }, () => mailboxes.meet(recipient, {}));
  assert.deepEqual(attempts('full-x@a.example'), ['mailboxFull', 'mailboxFull', null, null]);
  assert.deepEqual(attempts('busy-x@a.example'), ['overRate', null, null, null]);
  assert.deepEqual(new Set(attempts('nobody-x@a.example')), new Set(['unknownUser']));
});

test('a recipient meets a cut once, and the share of those who do is kept', () => {
  const mailboxes = new Mailboxes(1, 0);
  const cut = recipients.filter((recipient) => mailboxes.isCut('dot', recipient, { dot: 1 / 5 }));
  assert.ok(Math.abs(cut.length - 4_000) < 250, `${cut.length}`);
  assert.equal(cut.filter((recipient) => mailboxes.isCut('dot', recipient, { dot: 1 / 5 })).length, 0);
  assert.equal(mailboxes.isCut('data', recipients[0] ?? '', {}), false);
});

test('greylisting holds for its time, for the source, sender and recipient together', () => {
  const mailboxes = new Mailboxes(1, 5_000);
  assert.equal(mailboxes.greylistedForMs('s', 'a', 'b', 1_000), 5_000);
  assert.equal(mailboxes.greylistedForMs('s', 'a', 'b', 5_999), 1);
  for (const [source, sender, recipient] of [
    ['t', 'a', 'b'],
    ['s', 'c', 'b'],
    ['s', 'a', 'c'],
  ] as const)
    assert.equal(mailboxes.greylistedForMs(source, sender, recipient, 6_000), 5_000);
  assert.equal(mailboxes.greylistedForMs('s', 'a', 'b', 6_000), 0);
  assert.equal(mailboxes.greylistedForMs('s', 'a', 'b', 99_000), 0);
});
