import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { newId } from './ids.ts';
import { loadSecrets, SealBroken, type SealedPlace, Secrets } from './secrets.ts';

const secrets = new Secrets('a long secret of this installation');
const place: SealedPlace = {
  workspaceId: newId(),
  table: 'dkim_key',
  column: 'private_key',
  rowId: 'acme.example/camp-1',
};
const SECRET = '-----BEGIN PRIVATE KEY-----\nélan\n';

let db: TestDatabase;
before(async () => {
  db = await createTestDatabase();
});
after(() => db.drop());

test('what was sealed opens again at its place, and cannot be read meanwhile', () => {
  const sealed = secrets.seal(place, SECRET);
  assert.equal(secrets.unseal(place, sealed), SECRET);
  assert.equal(secrets.unseal(place, secrets.seal(place, '')), '');
  assert.match(sealed, /^v1\.[0-9a-f]{8}\.[\w-]+$/);
  assert.ok(!Buffer.from(sealed.split('.')[2] ?? '', 'base64url').includes('PRIVATE'));
});

test('one secret sealed twice gives two texts: equal passwords cannot be told by their seals', () => {
  assert.notEqual(secrets.seal(place, SECRET), secrets.seal(place, SECRET));
});

test('a sealed text that was moved to another tenant, table, column or row does not open', () => {
  const sealed = secrets.seal(place, SECRET);
  const elsewhere: Partial<SealedPlace>[] = [
    { workspaceId: newId() },
    { table: 'relay' },
    { column: 'public_key' },
    { rowId: 'acme.example/camp-2' },
    // The same letters, divided otherwise.
    { table: 'dkim_keyprivate', column: '_key' },
  ];
  for (const change of elsewhere)
    assert.throws(() => secrets.unseal({ ...place, ...change }, sealed), {
      name: 'SealBroken',
      message: /does not open: it was changed, or was sealed for another place/,
    });
});

test('a sealed text with any byte changed, or cut short, or of another version, does not open', () => {
  const sealed = secrets.seal(place, SECRET);
  const [version, id, data = ''] = sealed.split('.');
  const bytes = Buffer.from(data, 'base64url');
  assert.throws(() => secrets.unseal(place, sealed.replace('v1', 'v2')), SealBroken);
  const withData = (changed: Buffer) => `${version}.${id}.${changed.toString('base64url')}`;
  for (let index = 0; index < bytes.length; index += 1) {
    const changed = Buffer.from(bytes);
    changed[index] = (changed[index] ?? 0) ^ 1;
    assert.throws(() => secrets.unseal(place, withData(changed)), SealBroken);
  }
  for (let length = 0; length < bytes.length; length += 1)
    assert.throws(() => secrets.unseal(place, withData(bytes.subarray(0, length))), SealBroken);
});

test('after a rotation old seals open, and new ones are made with the new secret', () => {
  const old = new Secrets('old');
  const rotated = new Secrets('new', 'old');
  assert.equal(rotated.unseal(place, old.seal(place, SECRET)), SECRET);
  const sealed = rotated.seal(place, SECRET);
  assert.equal(new Secrets('new').unseal(place, sealed), SECRET);
  assert.throws(() => old.unseal(place, sealed), {
    name: 'SealBroken',
    message:
      'dkim_key.private_key of acme.example/camp-1 was sealed with another secret: set CAMP_SECRET to what it was then, or make the secret anew.',
  });
});

test('what was sealed before CAMP_SECRET was set still opens after', async () => {
  const without = await loadSecrets(db.database, undefined);
  const sealed = without.seal(place, SECRET);
  assert.equal((await loadSecrets(db.database, undefined)).unseal(place, sealed), SECRET);
  const withSecret = await loadSecrets(db.database, 'set later');
  assert.equal(withSecret.unseal(place, sealed), SECRET);
  assert.throws(() => without.unseal(place, withSecret.seal(place, SECRET)), SealBroken);
});
