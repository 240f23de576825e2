import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { messageIdOf, readMessageId } from './message-ids.ts';

test('a message has one id, which leads back to it', () => {
  fc.assert(
    fc.property(fc.uuid(), fc.uuid(), (campaignId, contactId) => {
      const id = messageIdOf({ campaignId, contactId });
      assert.match(id, /^[\w-]{43}$/);
      assert.deepEqual(readMessageId(id), { campaignId, contactId });
    }),
  );
});

test('what is no id is none, and an id has no second spelling', () => {
  const id = messageIdOf({
    campaignId: '01936e6e-0000-7000-8000-000000000001',
    contactId: '01936e6e-0000-7000-8000-000000000002',
  });
  const respelled = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'].filter(
    (last) => readMessageId(id.slice(0, 42) + last) !== null,
  );
  assert.deepEqual(respelled.length, 16);
  for (const text of ['', id.slice(1), `${id}A`, id.replace(/.$/, '='), id.replace(/^./, '+')])
    assert.equal(readMessageId(text), null, text);
});
