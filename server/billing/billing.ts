/** Billing as an installation has it: off, or on with a provider and prices. */
import { type Config, ConfigError } from '../kernel/config.ts';
import type { Database } from '../kernel/database.ts';
import type { JobHandler } from '../kernel/jobs.ts';
import type { Log } from '../kernel/log.ts';
import { RECONCILE_JOB } from './charge.ts';
import { SPEND_JOB, spend, startSpending } from './credits.ts';
import { EVENT_JOB } from './events.ts';
import { type Billing, TIMING } from './phases.ts';
import { type Pack, readPrices } from './prices.ts';
import { lookAfterEvent, reconcile } from './reconcile.ts';
import { SWEEP_JOB, startSweeping, sweep } from './sweep.ts';

export interface OpenBilling extends Billing {
  prices: readonly Pack[];
}

/** Null when it is off. Throws ConfigError when it is on and something is missing. */
export async function openBilling(
  config: Config,
  { database, log, respond }: { database: Database; log: Log; respond: Billing['respond'] },
): Promise<OpenBilling | null> {
  if (config.billing === 'off') return null;
  const { stripeSecretKey: secretKey, stripeWebhookSecret: webhookSecret } = config;
  const { stripeHost: host, stripePort: port, stripeProtocol: protocol } = config;
  if (secretKey === undefined)
    throw new ConfigError('BILLING is on, but STRIPE_SECRET_KEY is not set: payments need a provider.');
  const prices = readPrices(config.billingPrices);
  // Payments come out right without events, and those that wait for somebody come out late.
  if (webhookSecret === undefined)
    log.warn({
      event: 'stripe_webhook_secret_not_set',
      error: 'every event that Stripe posts is refused: set STRIPE_WEBHOOK_SECRET',
    });
  // Hundreds of files that nobody else needs.
  const { createStripeProvider } = await import('./stripe.ts');
  const provider = createStripeProvider({ secretKey, webhookSecret, host, port, protocol });
  return { database, log, respond, provider, prices, timing: TIMING };
}

/** What a worker does for payments. */
export function billingJobs(billing: Billing): Record<string, JobHandler> {
  return {
    [RECONCILE_JOB]: reconcile(billing),
    [EVENT_JOB]: lookAfterEvent(billing),
    [SPEND_JOB]: spend,
    [SWEEP_JOB]: sweep(billing),
  };
}

/** Makes the jobs that go on by themselves. */
export async function startBillingJobs(billing: Billing): Promise<void> {
  await startSpending(billing.database);
  await startSweeping(billing);
}
