/**
 * Signed tokens: what stands in tracked links, the open pixel, the unsubscribe link and the Message-ID.
 *
 * A token carries its own ids and a truncated HMAC-SHA256, so clicks, opens and unsubscribes are verified without
 * a database. Layouts, before base64url:
 *
 *     recipient token   workspaceId(16) campaignId(16) contactId(16) mac(16)
 *     link token        mac(16) url(UTF-8)
 *
 * One HMAC is computed per recipient: its first half is the token's mac, its second half the local part of the
 * Message-ID, so neither tells the other. Link tokens belong to a campaign, not to a recipient, so a fixed URL is
 * signed once per campaign. The words 'recipient' and 'link' keep the two kinds of input apart.
 * To rotate, put a new secret first: the first signs, all verify.
 */
import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto';

type Secret = Buffer | string;

export interface Signer {
  forCampaign(ids: CampaignIds): CampaignSigner;
  verifyRecipientToken(token: string): RecipientTokenResult;
  verifyLinkToken(ids: CampaignIds, token: string): LinkTokenResult;
}

/** Ids are UUIDs in their usual text form. */
export interface CampaignIds {
  workspaceId: string;
  campaignId: string;
}

export interface CampaignSigner {
  /** `token` is 86 characters of base64url, `messageIdLocal` 32 of hex: the same on every call for one contact. */
  recipient(contactId: string): { token: string; messageIdLocal: string };
  link(url: string): string;
}

export type RecipientTokenResult =
  | { kind: 'valid'; workspaceId: string; campaignId: string; contactId: string }
  | { kind: 'invalid' };

export type LinkTokenResult = { kind: 'valid'; url: string } | { kind: 'invalid' };

const uuidBytes = 16;
const macBytes = 16;
const recipientTokenBytes = 3 * uuidBytes + macBytes;

/** The first secret signs, all of them verify. */
export function createSigner(secrets: Secret | readonly [Secret, ...Secret[]]): Signer {
  const list = typeof secrets === 'string' || Buffer.isBuffer(secrets) ? [secrets] : secrets;
  const keys = list.map((secret) => createSecretKey(Buffer.from(secret)));
  const [signingKey] = keys;
  if (!signingKey) throw new Error('createSigner needs at least one secret');
  return {
    forCampaign: (ids) => campaignSigner(signingKey, ids),
    verifyRecipientToken: (token) => verifyRecipientToken(keys, token),
    verifyLinkToken: (ids, token) => verifyLinkToken(keys, ids, token),
  };
}

function campaignSigner(key: KeyObject, ids: CampaignIds): CampaignSigner {
  const campaign = campaignBytes(ids);
  return {
    recipient(contactId) {
      const recipient = Buffer.concat([campaign, uuidToBytes(contactId)]);
      const digest = recipientDigest(key, recipient);
      return {
        token: Buffer.concat([recipient, digest.subarray(0, macBytes)]).toString('base64url'),
        messageIdLocal: digest.toString('hex', macBytes),
      };
    },
    link(url) {
      const bytes = Buffer.from(url, 'utf8');
      return Buffer.concat([linkMac(key, campaign, bytes), bytes]).toString('base64url');
    },
  };
}

function verifyRecipientToken(keys: readonly KeyObject[], token: string): RecipientTokenResult {
  const bytes = decode(token);
  if (bytes?.length !== recipientTokenBytes) return { kind: 'invalid' };
  const recipient = bytes.subarray(0, -macBytes);
  const mac = bytes.subarray(-macBytes);
  if (!signedByAny(keys, mac, (key) => recipientDigest(key, recipient).subarray(0, macBytes))) {
    return { kind: 'invalid' };
  }
  const [workspaceId, campaignId, contactId] = [0, 1, 2].map((index) => bytesToUuid(recipient, index));
  return { kind: 'valid', workspaceId: workspaceId!, campaignId: campaignId!, contactId: contactId! };
}

function verifyLinkToken(keys: readonly KeyObject[], ids: CampaignIds, token: string): LinkTokenResult {
  const bytes = decode(token);
  if (!bytes || bytes.length <= macBytes) return { kind: 'invalid' };
  const mac = bytes.subarray(0, macBytes);
  const url = bytes.subarray(macBytes);
  const campaign = campaignBytes(ids);
  if (!signedByAny(keys, mac, (key) => linkMac(key, campaign, url))) return { kind: 'invalid' };
  return { kind: 'valid', url: url.toString('utf8') };
}

/** Base64url is not one-to-one (the last character has spare bits): only the spelling that we write is a token. */
function decode(token: string): Buffer | undefined {
  const bytes = Buffer.from(token, 'base64url');
  return bytes.toString('base64url') === token ? bytes : undefined;
}

function signedByAny(keys: readonly KeyObject[], mac: Buffer, sign: (key: KeyObject) => Buffer): boolean {
  return keys.some((key) => timingSafeEqual(sign(key), mac));
}

function recipientDigest(key: KeyObject, recipient: Buffer): Buffer {
  return createHmac('sha256', key).update('recipient').update(recipient).digest();
}

function linkMac(key: KeyObject, campaign: Buffer, url: Buffer): Buffer {
  const hmac = createHmac('sha256', key).update('link').update(campaign).update(url);
  return hmac.digest().subarray(0, macBytes);
}

function campaignBytes(ids: CampaignIds): Buffer {
  return Buffer.concat([uuidToBytes(ids.workspaceId), uuidToBytes(ids.campaignId)]);
}

function uuidToBytes(uuid: string): Buffer {
  const bytes = Buffer.from(uuid.replaceAll('-', ''), 'hex');
  if (bytes.length !== uuidBytes) throw new TypeError(`not a UUID: ${uuid}`);
  return bytes;
}

function bytesToUuid(bytes: Buffer, index: number): string {
  const hex = bytes.toString('hex', index * uuidBytes, (index + 1) * uuidBytes);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
