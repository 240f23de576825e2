/**
 * The life of a DKIM key: made (pending), seen in the DNS (active: it signs), replaced (retiring: its record stays until
 * what it signed has arrived), forgotten. One key of an algorithm is pending and one is active at most; the private key
 * is sealed in the database and gone from it as soon as the key retires. RSA-2048 is for everybody; Ed25519 (RFC 8463)
 * is signed beside it for those who ask, because few receivers verify it.
 */
import { createPrivateKey, generateKeyPair, type KeyObject, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import type { Tx } from '../kernel/database.ts';
import type { SealedPlace, Secrets } from '../kernel/secrets.ts';
import type { DkimKey } from '../smtp/dkim.ts';
import * as queries from './queries.ts';

const RSA_BITS = 2_048;
/** RFC 8463 section 4.2: the record has the 32 bytes of the key, without the wrapping of SubjectPublicKeyInfo. */
const ED25519_BYTES = 32;
/** Mail waits up to 5 days in queues, and is verified when it arrives. */
const RETIRING_DAYS = 7;

const generate = promisify(generateKeyPair);

/** A key that waits for its record, its private half sealed. */
export async function makeKey(
  secrets: Secrets,
  { workspaceId, domain }: queries.DomainKey,
  algorithm: DkimKey['algorithm'],
): Promise<queries.NewKey> {
  const { publicKey, privateKey } = await newKeyPair(algorithm);
  const key = { workspaceId, domain, selector: newSelector() };
  const sealedKey = secrets.seal(
    placeOf(key),
    privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  );
  return { ...key, algorithm, publicKey: recordKey(publicKey), sealedKey };
}

/**
 * A key whose record has appeared signs from now on, and the one before it retires. False: somebody else was quicker. Two
 * who do it at once wait for the row of the old key, or of the new one, and the second changes nothing.
 */
export async function activate(tx: Tx, key: queries.KeyKey): Promise<boolean> {
  await queries.retireForPending(tx, key);
  return queries.activatePending(tx, key);
}

/** Throws SealBroken. */
export function openKey(
  secrets: Secrets,
  workspaceId: string,
  { sealedKey, ...key }: queries.SigningKeyRow,
): DkimKey {
  return { ...key, key: createPrivateKey(secrets.unseal(placeOf({ workspaceId, ...key }), sealedKey)) };
}

/** When the record of a retiring key is not needed any more; null for the others. */
export function neededUntil({ retiringAt }: queries.KeyRow): Date | null {
  return retiringAt && new Date(retiringAt.getTime() + RETIRING_DAYS * 86_400_000);
}

function newKeyPair(
  algorithm: DkimKey['algorithm'],
): Promise<{ publicKey: KeyObject; privateKey: KeyObject }> {
  return algorithm === 'rsa-sha256' ? generate('rsa', { modulusLength: RSA_BITS }) : generate('ed25519', {});
}

/** What p= has. */
function recordKey(publicKey: KeyObject): string {
  const der = publicKey.export({ type: 'spki', format: 'der' });
  const bytes = publicKey.asymmetricKeyType === 'ed25519' ? der.subarray(-ED25519_BYTES) : der;
  return bytes.toString('base64');
}

/** Never used twice, also not by another workspace or another Camp that signs for the same domain. */
function newSelector(): string {
  return `camp-${randomBytes(4).toString('hex')}`;
}

function placeOf({ workspaceId, domain, selector }: queries.KeyKey): SealedPlace {
  return { workspaceId, table: 'dkim_key', column: 'private_key', rowId: `${selector}._domainkey.${domain}` };
}
