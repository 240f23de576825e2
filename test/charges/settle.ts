/** Payments that are settled by twenty processes at once, each of which is killed again and again in the middle of it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { newId } from '../../server/kernel/ids.ts';
import type { SettlerOrders } from './settler.ts';

const SETTLERS = 20;
const SETTLER = join(import.meta.dirname, 'settler.ts');
const MOMENTS = ['issued', 'committing', 'committed'] as const;

export interface SettleOptions {
  databaseUrl: string;
  workspaceId: string;
  invoices: number;
  kills: number;
  random: () => number;
}

/** Gives how many settlers were killed. */
export async function settleUnderKills(options: SettleOptions): Promise<number> {
  const killed = await Promise.all(
    Array.from({ length: SETTLERS }, (_, settler) => settleShare(options, settler)),
  );
  return killed.reduce((sum, count) => sum + count, 0);
}

async function settleShare(options: SettleOptions, settler: number): Promise<number> {
  const { databaseUrl, workspaceId, invoices, kills, random } = options;
  const paymentIds = Array.from({ length: shareOf(invoices, settler) }, newId);
  const orders = { databaseUrl, workspaceId, paymentIds };
  const deaths = shareOf(kills, settler);
  let killed = 0;
  for (let death = 0; death < deaths; death += 1) {
    // Few enough that there is something left for the deaths that follow.
    const after = 1 + Math.floor((random() * paymentIds.length) / (deaths + 1));
    const when = MOMENTS[Math.floor(random() * MOMENTS.length)] ?? 'issued';
    if ((await runSettler({ ...orders, death: { after, when } })) === 'SIGKILL') killed += 1;
  }
  await runSettler({ ...orders, death: null });
  return killed;
}

/** The shares of all settlers add up. */
function shareOf(total: number, settler: number): number {
  return Math.floor(total / SETTLERS) + (settler < total % SETTLERS ? 1 : 0);
}

async function runSettler(orders: SettlerOrders): Promise<NodeJS.Signals | null> {
  const child = spawn(process.execPath, [SETTLER, JSON.stringify(orders)], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const [code, signal] = await once(child, 'close');
  if (code !== 0 && signal !== 'SIGKILL') throw new Error(`a settler ended with ${code ?? signal}`);
  return signal;
}
