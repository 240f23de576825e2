/** Whether the records of a domain's keys are in the DNS, and the step in a key's life that follows from it. */
import type { Database } from '../kernel/database.ts';
import { activate, neededUntil } from './dkim-keys.ts';
import { type CheckedRecord, dkimRecord, type ExpectedRecord } from './dns-records.ts';
import * as queries from './queries.ts';
import { type Asking, checkDkim } from './record-checks.ts';

interface Options extends Asking {
  database: Database;
  workspaceId: string;
}

/** `keys`: all of one domain. `activated`: selectors of the keys that sign from now on. */
export async function checkKeys(
  options: Options,
  keys: readonly queries.KeyRow[],
): Promise<{ records: CheckedRecord[]; activated: string[] }> {
  const checked = keyRecords(keys).map(async ({ key, record }) => ({
    key,
    record: await checkDkim(options, record, adviceWhenMissing(key)),
  }));
  const records: CheckedRecord[] = [];
  const activated: string[] = [];
  for (const { key, record } of await Promise.all(checked)) {
    if (key.state === 'pending' && record.verdict === 'ok' && (await activateKey(options, key)))
      activated.push(key.selector);
    const listed = key.state === 'retiring' ? await afterRetiring(options, key, record) : record;
    if (listed) records.push(listed);
  }
  return { records, activated };
}

/** Each key with the record that it needs. */
export function keyRecords(
  keys: readonly queries.KeyRow[],
): { key: queries.KeyRow; record: ExpectedRecord }[] {
  const signs = keys.some(({ state }) => state === 'active');
  return keys.map((key) => {
    const required = key.state === 'active' || (!signs && key.algorithm === 'rsa-sha256');
    return { key, record: dkimRecord(key, required) };
  });
}

function adviceWhenMissing(key: queries.KeyRow): string {
  const until = neededUntil(key)?.toISOString().slice(0, 10);
  if (until !== undefined)
    return `Publish it again until ${until}: mail that was signed with it is under way.`;
  return key.state === 'active'
    ? 'Publish this record: without it nobody can verify what Camp signs.'
    : 'Publish this record: Camp signs with its key once it is there.';
}

function activateKey({ database, workspaceId }: Options, key: queries.KeyRow): Promise<boolean> {
  return database.withWorkspace(workspaceId, (tx) => activate(tx, { workspaceId, ...key }));
}

/** Undefined: nothing needs the key's record, and it is gone; so is then the key. */
async function afterRetiring(
  { database, workspaceId }: Options,
  key: queries.KeyRow,
  record: CheckedRecord,
): Promise<CheckedRecord | undefined> {
  const until = neededUntil(key);
  if (until === null || until.getTime() > Date.now() || record.verdict === 'unknown') return record;
  if (record.verdict !== 'missing')
    return {
      ...record,
      verdict: 'ok',
      advice: 'Nothing under way needs this record any more: take it away.',
    };
  await database.withWorkspace(workspaceId, (tx) => queries.deleteRetiring(tx, { workspaceId, ...key }));
  return undefined;
}
