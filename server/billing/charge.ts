/**
 * Charges: phases 1 and 2 of phases.ts, and what is refused before anything is written. A charge buys sending credits, for
 * which the invoice is issued when it has succeeded, or pays an invoice that was issued to be paid.
 *
 * What an invoice or a reference names is paid once, whatever keys a client sends: two live charges of the same cannot
 * stand in the table.
 */
import type { Tx } from '../kernel/database.ts';
import { faultPoint } from '../kernel/fault-point.ts';
import { newId } from '../kernel/ids.ts';
import { enqueueJob } from '../kernel/jobs.ts';
import type { Scope } from '../kernel/scope.ts';
import { type Buyer, isSellerSet, taxOn, troubleWith } from './invoice-parties.ts';
import { totalsOf } from './invoice-tax.ts';
import { creditableMinor, sellerOf } from './invoices.ts';
import type { NewCharge, NewPayment, Payment, PaymentKey } from './payment.ts';
import { advance, type Billing } from './phases.ts';
import { creditsText, findPack, type Pack, saleOf } from './prices.ts';
import * as queries from './queries.ts';
import { findInvoice } from './queries-invoices.ts';
import { invoiceCredits } from './queries-ledger.ts';
import type { KeyHolder } from './settle.ts';

export const RECONCILE_JOB = 'payment.reconcile';
export const FIRST_LOOK_MS = 120_000;

const NO_SELLER =
  'Nothing is sold yet, because invoices would not say by whom: the operator says that with `camp seller set` or PUT /v1/seller. Then ask with a new Idempotency-Key.';

/** The request under whose idempotency key a payment goes. */
export interface PaymentRequest {
  workspaceId: string;
  holder: KeyHolder;
  fingerprint: Buffer;
  /** The payment that an earlier owner of the key began; null: none. */
  recoveryPoint: string | null;
  requestId: string;
  /** Writes down who has begun it; the last statement of phase 2. */
  audit(tx: Tx, paymentId: string): Promise<void>;
}

export interface CreditsOrder {
  credits: bigint;
  /** ISO 4217; null: the first that they are sold in. */
  currency: string | null;
  buyer: Buyer;
}

export interface ChargeOrder {
  /** `reference`: the client's own name for it, such as the number of an order; paid once. */
  buys:
    | ({ kind: 'credits'; reference: string | null } & CreditsOrder)
    | { kind: 'invoice'; invoiceId: string };
  /** The provider's name of a card or the like. */
  paymentMethod: string;
  /** Where the customer comes back to from their bank. */
  returnUrl: string | null;
}

/** Why there is no payment. `under-way`: come again, it is being decided. */
export class PaymentRefused extends Error {
  override readonly name = 'PaymentRefused';
  readonly reason: 'not-found' | 'conflict' | 'under-way' | 'refused';

  constructor(reason: PaymentRefused['reason'], sentence: string) {
    super(sentence);
    this.reason = reason;
  }
}

/**
 * Charges once for all requests with this key, and gives the payment as far as it came: decided, and then the key is
 * finished; or not, and then the key is parked. Throws PaymentRefused, and then nothing was written.
 */
export async function pay(
  billing: Billing & { prices: readonly Pack[] },
  scope: Scope,
  request: PaymentRequest,
  order: ChargeOrder,
): Promise<Payment> {
  await faultPoint('claimed');
  const payment = await begin(billing, request, async (tx) => {
    const agreed = await agree(tx, billing, request, order);
    if (!(await queries.insertPayment(tx, agreed))) throw await alreadyLive(tx, agreed);
    return agreed;
  });
  return advance(billing, scope, { payment, holder: request.holder });
}

/** Phase 2: writes the payment down, or takes over what a former owner of the key wrote. */
export async function begin(
  { database }: Billing,
  { workspaceId, holder, recoveryPoint, audit }: PaymentRequest,
  write: (tx: Tx) => Promise<NewPayment>,
): Promise<Payment> {
  const payment = await database.withWorkspace(workspaceId, async (tx) => {
    const of: PaymentKey = { workspaceId, id: recoveryPoint ?? (await write(tx)).id };
    if (recoveryPoint === null)
      await enqueueJob(tx, workspaceId, { kind: RECONCILE_JOB, key: of.id, dueInMs: FIRST_LOOK_MS });
    else await queries.setKeyEpoch(tx, of, holder.held.epoch);
    await holder.reach(tx, of.id);
    const found = await queries.findPayment(tx, of);
    if (recoveryPoint === null) await audit(tx, of.id);
    return found;
  });
  if (!payment) throw new Error(`there is no payment ${recoveryPoint}`);
  await faultPoint('intended');
  return payment;
}

async function agree(
  tx: Tx,
  { provider, prices }: Billing & { prices: readonly Pack[] },
  request: PaymentRequest,
  order: ChargeOrder,
): Promise<NewCharge> {
  const { workspaceId, holder, fingerprint, requestId } = request;
  const { buys, paymentMethod, returnUrl } = order;
  const bought =
    buys.kind === 'credits'
      ? { ...(await creditsBought(tx, prices, buys)), invoiceId: null, reference: buys.reference }
      : await invoicePaid(tx, workspaceId, buys.invoiceId);
  const { description, sale, ...agreed } = bought;
  return {
    ...agreed,
    kind: 'charge',
    workspaceId,
    id: newId(),
    provider: provider.name,
    request: { key: holder.held.key, epoch: holder.held.epoch, fingerprint },
    terms: { description, sale, paymentMethod, returnUrl, requestId },
  };
}

/** What an order comes to, tax included. Throws PaymentRefused. */
export async function creditsBought(
  tx: Tx,
  prices: readonly Pack[],
  { credits, currency, buyer }: CreditsOrder,
) {
  const pack = findPack(prices, credits, currency);
  if (!pack) throw new PaymentRefused('refused', notSold(prices, credits, currency));
  const trouble = troubleWith(buyer);
  if (trouble !== undefined) throw new PaymentRefused('refused', trouble);
  const seller = await sellerOf(tx);
  if (!isSellerSet(seller)) throw new PaymentRefused('refused', NO_SELLER);
  const lines = [saleOf(pack, taxOn(seller, buyer))];
  const amount = { minor: totalsOf(lines).grossMinor, currency: pack.price.currency };
  return { amount, credits, description: creditsText(credits), sale: { lines, buyer } };
}

async function invoicePaid(tx: Tx, workspaceId: string, invoiceId: string) {
  const invoice = await findInvoice(tx, workspaceId, invoiceId);
  if (invoice?.kind !== 'invoice') throw new PaymentRefused('not-found', 'There is no invoice with this id.');
  const { number, paymentId, snapshot } = invoice;
  const minor = await creditableMinor(tx, workspaceId, invoiceId);
  if (paymentId !== null || minor === 0n)
    throw new PaymentRefused('conflict', `There is nothing left to pay of invoice ${number}.`);
  return {
    amount: { minor, currency: snapshot.currency },
    credits: await invoiceCredits(tx, workspaceId, invoiceId),
    invoiceId,
    reference: null,
    description: `Invoice ${number}`,
    sale: null,
  };
}

function notSold(prices: readonly Pack[], credits: bigint, currency: string | null): string {
  const sold = [...new Set(prices.map((pack) => `${pack.credits} for ${pack.price.currency}`))];
  return `${credits} credits${currency === null ? '' : ` for ${currency}`} are not sold: there are ${sold.join(', ')}.`;
}

async function alreadyLive(
  tx: Tx,
  { workspaceId, invoiceId, reference }: NewCharge,
): Promise<PaymentRefused> {
  const live = await queries.findLivePayment(tx, workspaceId, { invoiceId, reference });
  const what = invoiceId === null ? `The reference "${reference}"` : 'The invoice';
  if (live?.state === 'succeeded')
    return new PaymentRefused('conflict', `${what} was paid by payment ${live.id}.`);
  return new PaymentRefused(
    'under-way',
    `${what} is being paid by payment ${live?.id}: wait for what comes of it.`,
  );
}
