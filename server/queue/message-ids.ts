/**
 * The public id of a message, of a campaign or of its own: the 32 bytes of its key, in base64url (RFC 4648 section 5).
 * 43 characters; each message has one id, and each id at most one message.
 */

export interface MessageKey {
  campaignId: string;
  /** Of a message of its own: the message. */
  contactId: string;
}

const ID = /^[\w-]{43}$/;

export function messageIdOf({ campaignId, contactId }: MessageKey): string {
  return Buffer.from((campaignId + contactId).replaceAll('-', ''), 'hex').toString('base64url');
}

/** Null: it is no id of a message. */
export function readMessageId(text: string): MessageKey | null {
  if (!ID.test(text)) return null;
  const bytes = Buffer.from(text, 'base64url');
  // The last character has two bits more than there are: only one spelling is the id.
  if (bytes.toString('base64url') !== text) return null;
  return { campaignId: uuidOf(bytes.subarray(0, 16)), contactId: uuidOf(bytes.subarray(16)) };
}

function uuidOf(bytes: Buffer): string {
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
