/**
 * Sealing: how a secret (a DKIM key, a relay's password) is kept in the database, so that a dump of it is worth nothing.
 *
 * AES-256-GCM under a key that HKDF (RFC 5869) makes of CAMP_SECRET, or of the installation's secret where that is not
 * set. What is sealed is bound to its place: workspace, table, column and row are authenticated with it, so a sealed text
 * that was moved to another row or another tenant does not open. The text is `v1.KEY_ID.DATA`: DATA is nonce, ciphertext
 * and tag in base64url; KEY_ID tells which key sealed it, so several can be in use while they rotate.
 *
 * A nonce is random: 2^32 sealings under one key are safe (NIST SP 800-38D 8.3).
 */
import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto';
import type { Database } from './database.ts';
import { installationSecret } from './queries.ts';

/** Where a sealed text stands. `rowId` is the row's key within its workspace. */
export interface SealedPlace {
  workspaceId: string;
  table: string;
  column: string;
  rowId: string;
}

/** A sealed text that does not open: the secret is another one now, or the text is not where it was sealed. */
export class SealBroken extends Error {
  override readonly name = 'SealBroken';
}

const VERSION = 'v1';
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

interface SealKey {
  id: string;
  bytes: Buffer;
}

/** The first secret seals, all of them open: to rotate, put a new one first. */
export class Secrets {
  readonly #keys: readonly [SealKey, ...SealKey[]];

  constructor(first: string | Buffer, ...older: (string | Buffer)[]) {
    this.#keys = [sealKeyOf(first), ...older.map(sealKeyOf)];
  }

  seal(place: SealedPlace, secret: string): string {
    const [{ id, bytes }] = this.#keys;
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', bytes, nonce).setAAD(placeBytes(place));
    const sealed = Buffer.concat([nonce, cipher.update(secret, 'utf8'), cipher.final(), cipher.getAuthTag()]);
    return `${VERSION}.${id}.${sealed.toString('base64url')}`;
  }

  /** Throws SealBroken. */
  unseal(place: SealedPlace, sealed: string): string {
    const [version, id, data = ''] = sealed.split('.');
    const where = `${place.table}.${place.column} of ${place.rowId}`;
    const key = this.#keys.find((candidate) => candidate.id === id);
    if (version !== VERSION || !key)
      throw new SealBroken(
        `${where} was sealed with another secret: set CAMP_SECRET to what it was then, or make the secret anew.`,
      );
    return open(key, place, Buffer.from(data, 'base64url')) ?? brokenAt(where);
  }
}

/** CAMP_SECRET seals when it is set; what the installation's secret sealed before that still opens. */
export async function loadSecrets(database: Database, secret: string | undefined): Promise<Secrets> {
  const ofInstallation = await database.withSystem((tx) => installationSecret(tx));
  return secret === undefined ? new Secrets(ofInstallation) : new Secrets(secret, ofInstallation);
}

function open(key: SealKey, place: SealedPlace, data: Buffer): string | undefined {
  if (data.length < NONCE_BYTES + TAG_BYTES) return undefined;
  const decipher = createDecipheriv('aes-256-gcm', key.bytes, data.subarray(0, NONCE_BYTES), {
    authTagLength: TAG_BYTES,
  });
  decipher.setAAD(placeBytes(place)).setAuthTag(data.subarray(-TAG_BYTES));
  try {
    return (
      decipher.update(data.subarray(NONCE_BYTES, -TAG_BYTES), undefined, 'utf8') + decipher.final('utf8')
    );
  } catch {
    return undefined;
  }
}

function brokenAt(where: string): never {
  throw new SealBroken(`${where} does not open: it was changed, or was sealed for another place.`);
}

/** The id is computed apart from the key, and tells nothing of it. */
function sealKeyOf(secret: string | Buffer): SealKey {
  const bytes = Buffer.from(hkdfSync('sha256', secret, '', 'camp seal v1', KEY_BYTES));
  return {
    id: createHash('sha256').update('camp seal key id').update(bytes).digest('hex').slice(0, 8),
    bytes,
  };
}

/** JSON keeps the parts apart: no two places have the same bytes. */
function placeBytes({ workspaceId, table, column, rowId }: SealedPlace): Buffer {
  return Buffer.from(JSON.stringify([VERSION, workspaceId, table, column, rowId]));
}
