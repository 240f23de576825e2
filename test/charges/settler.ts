/**
 * A process that settles payments until it is killed, or has settled all of its own: one argument, its orders as JSON.
 * Where it dies by itself is part of the orders, so that every moment of a transaction has its deaths.
 */
import { issueInvoice } from '../../server/billing/invoices.ts';
import { Database } from '../../server/kernel/database.ts';
import { sql } from '../../server/kernel/sql.ts';
import { newInvoice } from '../support/invoices.ts';

export interface SettlerOrders {
  databaseUrl: string;
  workspaceId: string;
  paymentIds: string[];
  /** In so many transactions from now. `committing`: the COMMIT is on its way. */
  death: { after: number; when: 'issued' | 'committing' | 'committed' } | null;
}

const orders: SettlerOrders = JSON.parse(process.argv[2] ?? '');
const { workspaceId, paymentIds, death } = orders;
const database = new Database(orders.databaseUrl, { connectionsMax: 1, applicationName: 'camp settler' });
let settled = 0;
for (const paymentId of paymentIds) {
  const isNew = await database.withWorkspace(workspaceId, async (tx) => {
    const known = await tx.query(sql`SELECT FROM invoice WHERE payment_id = ${paymentId}`);
    if (known.length > 0) return false;
    await issueInvoice(tx, newInvoice(workspaceId, { paymentId }));
    if (settled + 1 === death?.after && death.when === 'issued') die();
    if (settled + 1 === death?.after && death.when === 'committing') setImmediate(die);
    return true;
  });
  if (isNew) settled += 1;
  if (settled === death?.after) die();
}
await database.close();

function die(): void {
  process.kill(process.pid, 'SIGKILL');
}
