import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { describeInstallation } from './installation.ts';
import { addSource } from './sources.ts';

let db: TestDatabase;
before(async () => {
  db = await createTestDatabase();
});
after(() => db.drop());

const publicUrl = 'https://mail.example.com:8443/camp';

test('while nothing says what sends, Camp does not guess', async () => {
  const installation = await describeInstallation(db.database, { publicUrl, spf: undefined });
  assert.deepEqual(installation, { publicHost: 'mail.example.com', spf: [] });
});

test('what sends are the sources, as others see them; CAMP_SPF knows better', async () => {
  const common = { heloName: 'mail-1.example.com', pool: 'bulk', weight: 1 };
  await addSource(db.database, { ...common, address: '10.0.0.5', publicAddress: '192.0.2.5' });
  await addSource(db.database, { ...common, address: '2001:db8::5', publicAddress: null });
  const { spf } = await describeInstallation(db.database, { publicUrl, spf: undefined });
  assert.deepEqual(spf.toSorted(), ['ip4:192.0.2.5', 'ip6:2001:db8::5']);
  const told = await describeInstallation(db.database, { publicUrl, spf: 'include:a.example mx:b.example' });
  assert.deepEqual(told.spf, ['include:a.example', 'mx:b.example']);
});
