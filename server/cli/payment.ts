/** `camp payment …`: payments that are not decided, and what a person does about them. */
import type { Command } from 'commander';
import { audit } from '../accounts/audit.ts';
import { operator } from '../accounts/principal.ts';
import { openBilling } from '../billing/billing.ts';
import { cancelPayment, resolvePayment } from '../billing/by-hand.ts';
import { PaymentRefused } from '../billing/charge.ts';
import { formatMoney } from '../billing/money.ts';
import type { Payment } from '../billing/payment.ts';
import type { Billing } from '../billing/phases.ts';
import { findPayment, openPayments } from '../billing/queries.ts';
import { createLog } from '../kernel/log.ts';
import { Scope } from '../kernel/scope.ts';
import { respond } from '../web/payments.ts';
import { readChoice } from './arguments.ts';
import { type Cli, run, uuid } from './cli.ts';
import { usageError } from './errors.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { inWorkspace, withDatabase } from './open-database.ts';
import { table } from './output.ts';

const DECIDED = ['succeeded', 'failed'] as const;

export function paymentCommand(program: Command): void {
  const payment = program.command('payment').description('payments that are not decided, and deciding them');
  payment.command('list').description('those that are not decided yet, oldest first').action(run(list));
  payment.command('show <id>').description('one payment, and what is known of it').action(run(show));
  payment
    .command('cancel <id>')
    .description('end one that waits for its customer, at the provider too')
    .action(run(cancel));
  payment
    .command('resolve <id>')
    .description('say how one ended that needs review, when you have found out at the provider')
    .requiredOption('--as <state>', DECIDED.join(' or '))
    .action(run(resolve));
}

async function list(cli: Cli): Promise<ExitCode> {
  const payments = await inWorkspace(cli, (tx) => openPayments(tx, cli.workspaceId));
  if (payments.length === 0) cli.out.say('Every payment is decided.');
  else cli.out.say(table(payments.map(describe), ''));
  cli.out.result({ payments: payments.map(jsonOf) });
  return EXIT.ok;
}

async function show(cli: Cli, id: string): Promise<ExitCode> {
  const of = keyOf(cli, id);
  const payment = await inWorkspace(cli, (tx) => findPayment(tx, of));
  if (!payment) throw new PaymentRefused('not-found', 'There is no payment with this id.');
  return tell(cli, payment);
}

async function cancel(cli: Cli, id: string): Promise<ExitCode> {
  const of = keyOf(cli, id);
  return tell(
    cli,
    await decide(cli, 'payment.cancelled', (billing, scope) => cancelPayment(billing, scope, of)),
  );
}

async function resolve(cli: Cli, id: string, flags: { as: string }): Promise<ExitCode> {
  const of = keyOf(cli, id);
  const to = readChoice(flags.as, '--as', DECIDED);
  const work = (billing: Billing, scope: Scope) => resolvePayment(billing, scope, of, to);
  return tell(cli, await decide(cli, 'payment.resolved', work));
}

function decide(
  cli: Cli,
  action: string,
  work: (billing: Billing, scope: Scope) => Promise<Payment>,
): Promise<Payment> {
  return withDatabase(cli, async (database) => {
    const log = createLog(cli.config.logLevel, 'payment');
    const billing = await openBilling(cli.config, { database, log, respond });
    if (!billing) throw usageError('Billing is off: there are payments only with BILLING=on.');
    await using scope = Scope.root('payment');
    const payment = await work(billing, scope);
    const entry = { action, subject: `payment/${payment.id}`, after: { state: payment.state } };
    await database.withWorkspace(cli.workspaceId, (tx) => audit(tx, operator(cli.workspaceId), entry));
    return payment;
  });
}

function keyOf(cli: Cli, id: string) {
  return { workspaceId: cli.workspaceId, id: uuid(id, 'payment id') };
}

function tell(cli: Cli, payment: Payment): ExitCode {
  cli.out.say(table([describe(payment)], ''));
  cli.out.result({ payment: jsonOf(payment) });
  return EXIT.ok;
}

function describe({ id, kind, state, amount, createdAt, note, failure, providerRef }: Payment): string[] {
  const money = formatMoney(amount.minor, amount.currency);
  const asked = `${createdAt.toISOString().slice(0, 16)}Z`;
  return [id, kind, state, money, asked, providerRef ?? '', note ?? failure?.message ?? ''];
}

function jsonOf(payment: Payment): Record<string, unknown> {
  const { id, kind, state, amount, providerRef, failure, note, createdAt, decidedAt } = payment;
  return {
    id,
    kind,
    state,
    amount_minor: Number(amount.minor),
    currency: amount.currency,
    provider_ref: providerRef,
    failure,
    note,
    created_at: createdAt,
    decided_at: decidedAt,
  };
}
