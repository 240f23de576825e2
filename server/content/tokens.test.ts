import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createSigner } from './tokens.ts';

const workspaceId = '01890a5d-ac96-774b-bcce-b302099a8057';
const campaignId = '01890a5d-ac96-774b-bcce-b302099a8058';
const contactId = '01890a5d-ac96-774b-bcce-b302099a8059';
const otherId = '01890a5d-ac96-774b-bcce-b302099a805a';
const ids = { workspaceId, campaignId };

test('a recipient token gives back the ids that it was made of', () => {
  fc.assert(
    fc.property(fc.uuid(), fc.uuid(), fc.uuid(), (workspace, campaign, contact) => {
      const signer = createSigner('secret');
      const { token } = signer
        .forCampaign({ workspaceId: workspace, campaignId: campaign })
        .recipient(contact);
      const expected = { kind: 'valid', workspaceId: workspace, campaignId: campaign, contactId: contact };
      assert.deepEqual(signer.verifyRecipientToken(token), expected);
    }),
  );
});

test('a link token gives back its URL, whatever is in it', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1, unit: 'grapheme' }), (url) => {
      const signer = createSigner('secret');
      const token = signer.forCampaign(ids).link(url);
      assert.deepEqual(signer.verifyLinkToken(ids, token), { kind: 'valid', url });
    }),
  );
});

test('a token with any bit flipped is refused', () => {
  const signer = createSigner('secret');
  const campaign = signer.forCampaign(ids);
  const recipient = Buffer.from(campaign.recipient(contactId).token, 'base64url');
  const link = Buffer.from(campaign.link('https://shop.example/?a=1'), 'base64url');
  for (let bit = 0; bit < recipient.length * 8; bit += 1) {
    assert.equal(signer.verifyRecipientToken(flip(recipient, bit)).kind, 'invalid', `recipient bit ${bit}`);
  }
  for (let bit = 0; bit < link.length * 8; bit += 1) {
    assert.equal(signer.verifyLinkToken(ids, flip(link, bit)).kind, 'invalid', `link bit ${bit}`);
  }
});

test('a token with any character changed, added or left out is refused, so each token has one spelling', () => {
  const signer = createSigner('secret');
  const { token } = signer.forCampaign(ids).recipient(contactId);
  for (let index = 0; index < token.length; index += 1) {
    for (const character of 'ABCDEFGHwxyz0189-_=. ') {
      const changed = token.slice(0, index) + character + token.slice(index + 1);
      if (changed === token) continue;
      assert.equal(signer.verifyRecipientToken(changed).kind, 'invalid', changed);
    }
  }
  for (const wrong of [
    '',
    `${token}A`,
    `${token}=`,
    token.slice(1),
    token.slice(0, -1),
    ` ${token}`,
    `${token}\n`,
  ]) {
    assert.equal(signer.verifyRecipientToken(wrong).kind, 'invalid', wrong);
  }
});

test('any other text is no token', () => {
  const signer = createSigner('secret');
  fc.assert(
    fc.property(fc.string({ maxLength: 200 }), (text) => {
      assert.equal(signer.verifyRecipientToken(text).kind, 'invalid');
      assert.equal(signer.verifyLinkToken(ids, text).kind, 'invalid');
    }),
  );
});

test("another campaign's or workspace's link token is refused", () => {
  const signer = createSigner('secret');
  const token = signer.forCampaign(ids).link('https://shop.example/');
  assert.equal(signer.verifyLinkToken(ids, token).kind, 'valid');
  assert.equal(signer.verifyLinkToken({ workspaceId, campaignId: otherId }, token).kind, 'invalid');
  assert.equal(signer.verifyLinkToken({ workspaceId: otherId, campaignId }, token).kind, 'invalid');
});

test('a recipient token cannot be moved to another workspace, campaign or contact', () => {
  const signer = createSigner('secret');
  const bytes = Buffer.from(signer.forCampaign(ids).recipient(contactId).token, 'base64url');
  for (const field of [0, 1, 2]) {
    const moved = Buffer.from(bytes);
    moved.write(otherId.replaceAll('-', ''), field * 16, 'hex');
    assert.equal(signer.verifyRecipientToken(moved.toString('base64url')).kind, 'invalid');
  }
});

test('after a rotation old tokens still work and new ones are signed with the new secret', () => {
  const before = createSigner('old');
  const rotated = createSigner(['new', 'old']);
  const after = createSigner('new');
  const oldToken = before.forCampaign(ids).recipient(contactId).token;
  const newToken = rotated.forCampaign(ids).recipient(contactId).token;
  assert.equal(rotated.verifyRecipientToken(oldToken).kind, 'valid');
  assert.equal(after.verifyRecipientToken(newToken).kind, 'valid');
  assert.equal(after.verifyRecipientToken(oldToken).kind, 'invalid');
  const oldLink = before.forCampaign(ids).link('https://shop.example/');
  assert.equal(rotated.verifyLinkToken(ids, oldLink).kind, 'valid');
  assert.equal(after.verifyLinkToken(ids, oldLink).kind, 'invalid');
});

test('a recipient has the same token and Message-ID on every try, and shares neither with anyone', () => {
  const campaign = createSigner('secret').forCampaign(ids);
  const first = campaign.recipient(contactId);
  assert.deepEqual(campaign.recipient(contactId), first);
  const other = campaign.recipient(otherId);
  assert.notEqual(other.token, first.token);
  assert.notEqual(other.messageIdLocal, first.messageIdLocal);
});

test('the Message-ID, which everyone may see, shows nothing of the token, which unsubscribes', () => {
  const { token, messageIdLocal } = createSigner('secret').forCampaign(ids).recipient(contactId);
  const tokenHex = Buffer.from(token, 'base64url').toString('hex');
  assert.match(messageIdLocal, /^[0-9a-f]{32}$/);
  for (let start = 0; start <= messageIdLocal.length - 8; start += 1) {
    assert.ok(!tokenHex.includes(messageIdLocal.slice(start, start + 8)));
  }
});

test('an id that is no UUID is a bug and throws', () => {
  const campaign = createSigner('secret').forCampaign(ids);
  assert.throws(() => campaign.recipient('42'), /not a UUID: 42/);
});

function flip(bytes: Buffer, bit: number): string {
  const flipped = Buffer.from(bytes);
  flipped[bit >> 3]! ^= 1 << (bit & 7);
  return flipped.toString('base64url');
}
