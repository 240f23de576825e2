/**
 * The ledger of credits. Double-entry: credits never appear or vanish, they go from one account to another in a transaction
 * that adds up to zero, and Postgres refuses one that does not (migrations/0012_billing.sql). What was booked stays; a
 * mistake is booked back. A transaction names its source, and a source is booked once.
 */
import type { Tx } from '../kernel/database.ts';
import { newId } from '../kernel/ids.ts';
import * as queries from './queries-ledger.ts';

/** `balance` is what a workspace may spend; the others say where credits come from and go to. */
export type Account = 'balance' | 'bought' | 'granted' | 'spent';

export interface Booking {
  workspaceId: string;
  kind: 'purchase' | 'refund' | 'spend' | 'grant';
  /** What it is for; within its kind it is booked once. */
  source: string;
  from: Account;
  to: Account;
  credits: bigint;
}

/** False: its source was booked before, and nothing is now. */
export async function book(
  tx: Tx,
  { workspaceId, kind, source, from, to, credits }: Booking,
): Promise<boolean> {
  const id = newId();
  const isNew = await queries.insertTransaction(tx, { workspaceId, id, kind, source });
  if (!isNew) return false;
  // In the order of the names: one order of locks for all.
  const postings = [
    { account: from, credits: -credits },
    { account: to, credits },
  ].sort((a, b) => (a.account < b.account ? -1 : 1));
  await queries.insertPostings(tx, { workspaceId, id }, postings);
  return true;
}
