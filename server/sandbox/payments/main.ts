/**
 * The sandbox provider's process: PORT WEBHOOK_SECRET. It ends when the process that forked it lets go of it or is gone,
 * and leaves Ctrl-C to that one.
 */
import { once } from 'node:events';
import { Scope } from '../../kernel/scope.ts';
import type { FromPayments, ToPayments } from './report.ts';
import { PaymentServer } from './server.ts';
import { WebhookSender } from './webhooks.ts';

const [port, webhookSecret = ''] = process.argv.slice(2);
const payments = new PaymentServer(new WebhookSender(Scope.root('webhooks'), webhookSecret));

process.on('SIGINT', () => {});
process.on('disconnect', () => process.exit());
process.on('message', (message: ToPayments) => {
  if (message.kind === 'truth') return tell({ kind: 'truth', truth: payments.truth() });
  Object.assign(payments.behaviour, message.behaviour);
  tell({ kind: 'behaving' });
});

try {
  payments.server.listen(Number(port), '127.0.0.1');
  await once(payments.server, 'listening');
  const address = payments.server.address();
  if (address && typeof address === 'object') tell({ kind: 'ready', port: address.port });
} catch (error) {
  tell({ kind: 'failed', error: error instanceof Error ? error.message : String(error) });
  process.disconnect?.();
}

function tell(message: FromPayments): void {
  process.send?.(message);
}
