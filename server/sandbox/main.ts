/**
 * The sandbox's process: FOLDER PORT SEED. It ends when the process that forked it lets go of it or is gone, and
 * leaves Ctrl-C to that one, which may still have messages on the wire.
 */
import { once } from 'node:events';
import { Dice, FAILURE_KINDS, type FailureKind } from './failures.ts';
import { Mailbox } from './mailbox.ts';
import type { FromSandbox } from './report.ts';
import { createSandboxServer } from './server.ts';

const [folder = '', port, seed] = process.argv.slice(2);
const byFailure = Object.fromEntries(FAILURE_KINDS.map((kind) => [kind, 0])) as Record<FailureKind, number>;
const mailbox = await Mailbox.open(folder);
const server = createSandboxServer({
  dice: new Dice(Number(seed)),
  mailbox,
  onFailure: (kind) => {
    byFailure[kind] += 1;
  },
});

process.on('SIGINT', () => {});
process.on('message', () => tell({ kind: 'report', report: { ...mailbox.counts(), byFailure } }));
process.on('disconnect', () => mailbox.write().finally(() => process.exit()));

try {
  const listener = server.listen(Number(port), '127.0.0.1');
  await once(listener, 'listening');
  const address = listener.address();
  if (address && typeof address === 'object') tell({ kind: 'ready', port: address.port });
} catch (error) {
  tell({ kind: 'failed', error: error instanceof Error ? error.message : String(error) });
  process.disconnect?.();
}

function tell(message: FromSandbox): void {
  process.send?.(message);
}
