/**
 * Signatures as Standard Webhooks 1.0 has them: HMAC-SHA256 over `id.timestamp.body`, in base64, behind `v1,`. While a secret
 * is being replaced the old one signs too, so a receiver may change over at any moment of that day.
 */
import { createHmac, randomBytes } from 'node:crypto';

const PREFIX = 'whsec_';
const SECRET_BYTES = 32;

export function newSecret(): string {
  return PREFIX + randomBytes(SECRET_BYTES).toString('base64');
}

export interface Signed {
  id: string;
  /** Unix, in seconds. */
  timestamp: number;
  body: string;
}

/** The three headers that a receiver needs. */
export function signatureHeaders(secrets: readonly string[], { id, timestamp, body }: Signed) {
  const signatures = secrets.map((secret) => `v1,${signature(secret, `${id}.${timestamp}.${body}`)}`);
  return {
    'webhook-id': id,
    'webhook-timestamp': String(timestamp),
    'webhook-signature': signatures.join(' '),
  };
}

function signature(secret: string, content: string): string {
  const key = Buffer.from(secret.slice(PREFIX.length), 'base64');
  return createHmac('sha256', key).update(content).digest('base64');
}
