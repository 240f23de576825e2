import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { parse } from 'csv-parse/sync';
import { demoContacts } from './demo-contacts.ts';

const folder = await mkdtemp(join(tmpdir(), 'camp-contacts-'));
after(() => rm(folder, { recursive: true }));

async function emails(recipients: number): Promise<string[]> {
  const { file } = await demoContacts(recipients, folder);
  const records: Record<string, string>[] = parse(await readFile(file), { columns: true });
  return records.map((record) => record.email ?? '');
}

test('the demo has as many people as were asked for, all of them different', async () => {
  for (const recipients of [1, 9_999, 10_000, 20_001]) {
    const addresses = await emails(recipients);
    assert.equal(addresses.length, recipients);
    assert.equal(new Set(addresses).size, recipients);
  }
});
