import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readReply } from './reply.ts';
import { replyTemplate, templateHash } from './reply-template.ts';

function templateOf(line: string): string {
  const reply = readReply(line);
  assert.ok(reply);
  return replyTemplate(reply);
}

/** What differs between the two lines is nothing that a person who reads refusals wants told apart. */
const same: [first: string, second: string, template: string][] = [
  [
    '550 5.1.1 <ann@acme.example>: Recipient address rejected',
    '550 5.1.1 <bob.b@other.example>: Recipient address rejected',
    '550 5.1.1 <<address>>: Recipient address rejected',
  ],
  [
    '554 5.7.1 Client host [192.0.2.1] blocked, see https://check.example/?ip=192.0.2.1.',
    '554 5.7.1 Client host [198.51.100.77] blocked, see https://check.example/?ip=198.51.100.77.',
    '554 5.7.1 Client host [<ip>] blocked, see <url>.',
  ],
  [
    '451 4.7.1 Try again in 300 seconds. x12-20020a170902b00c.123 - gsmtp',
    '451 4.7.1 Try again in 17 seconds. d9-20020a17c8.8 - gsmtp',
    '451 4.7.1 Try again in <number> seconds. <id> - gsmtp',
  ],
  [
    '421 mx1.acme.example is closing, [2001:db8::1] at 10:20:30',
    '421 mx7.other.example is closing, [2001:db8::2f] at 11:00:01',
    '421 <host> is closing, [<ip>] at <number>',
  ],
  ['550-5.7.1 Not\r\n550 5.7.1 wanted', '550 5.7.1 Not wanted', '550 5.7.1 Not wanted'],
];

for (const [first, second, template] of same)
  test(`a person is shown one kind of refusal: ${template}`, () => {
    assert.equal(templateOf(first), template);
    assert.equal(templateOf(second), template);
  });

test('codes that providers mean something by stay', () => {
  for (const code of ['[TSS04]', 'RP-001', '(S3150)', 'OFR_999', 'BL000010'])
    assert.equal(templateOf(`550 ${code} no`), `550 ${code} no`);
});

test('other words, another code or another status are another kind', () => {
  const kinds = ['550 5.1.1 no', '550 5.1.2 no', '554 5.1.1 no', '550 5.1.1 not'];
  const hashes = kinds.map((line) => templateHash(templateOf(line)));
  assert.equal(new Set(hashes).size, kinds.length);
  assert.match(hashes.join(' '), /^([0-9a-f]{12} ?){4}$/);
});
