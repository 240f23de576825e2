/** Numbers have no gap, whatever happens to the transactions that take them. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { newInvoice, setSeller } from '../../test/support/invoices.ts';
import { Database, isDatabaseAway, type Tx } from '../kernel/database.ts';
import { newId } from '../kernel/ids.ts';
import { sql } from '../kernel/sql.ts';
import { issueInvoice } from './invoices.ts';

const INVOICES = 500;
const WORKERS = 20;
const workspaceIds = Array.from({ length: 4 }, newId);

let db: TestDatabase;

before(async () => {
  db = await createTestDatabase();
  await setSeller(db.database);
});

after(() => db.drop());

class Abort extends Error {}

/** Ends the connection that the transaction runs on, as a crash of its backend would. */
async function killBackend(tx: Tx): Promise<void> {
  const [backend] = await tx.query<{ pid: number }>(sql`SELECT pg_backend_pid() AS pid`);
  const killer = new Database(db.directUrl, { connectionsMax: 1 });
  await killer.withOwner((owner) => owner.query(sql`SELECT pg_terminate_backend(${backend?.pid})`));
  await killer.close();
  await tx.query(sql`SELECT 1`);
}

/** What befalls the settlement of the n-th payment on its first try: of fifty, four fail and one loses its backend. */
async function befall(tx: Tx, n: number): Promise<void> {
  if (n % 50 === 13) await killBackend(tx);
  else if (n % 10 === 3) throw new Abort('changed its mind');
}

async function settle(database: Database, n: number): Promise<'settled' | 'aborted'> {
  const workspaceId = workspaceIds[n % workspaceIds.length] ?? '';
  const payment = newInvoice(workspaceId);
  try {
    await database.withWorkspace(workspaceId, async (tx) => {
      await issueInvoice(tx, payment);
      await befall(tx, n);
    });
    return 'settled';
  } catch (error) {
    assert.ok(error instanceof Abort || isDatabaseAway(error), String(error));
    await database.withWorkspace(workspaceId, (tx) => issueInvoice(tx, payment));
    return 'aborted';
  }
}

test(`${INVOICES} invoices settled by ${WORKERS} workers, a tenth of them aborted or killed: numbers 1 to ${INVOICES}, and none twice`, async () => {
  const database = new Database(db.url, { connectionsMax: WORKERS });
  let next = 0;
  let aborted = 0;
  const work = async () => {
    while (next < INVOICES) if ((await settle(database, next++)) === 'aborted') aborted += 1;
  };
  await Promise.all(Array.from({ length: WORKERS }, work));
  await database.close();

  const rows = await Promise.all(workspaceIds.map(numbersOf));
  const issued = rows.flat().sort((a, b) => a.position - b.position);
  assert.deepEqual(
    issued.map(({ position }) => position),
    Array.from({ length: INVOICES }, (_, index) => index + 1),
  );
  assert.equal(new Set(issued.map(({ number }) => number)).size, INVOICES);
  assert.equal(aborted, INVOICES / 10);
  const dates = issued.map(({ issuedAt }) => issuedAt.getTime());
  assert.deepEqual(
    dates,
    dates.toSorted((a, b) => a - b),
    'later numbers have later dates',
  );
});

function numbersOf(workspaceId: string) {
  return db.database.withWorkspace(workspaceId, (tx) =>
    tx.query<{ position: number; number: string; issuedAt: Date }>(
      sql`SELECT position::float8, number, issued_at AS "issuedAt" FROM invoice`,
    ),
  );
}
