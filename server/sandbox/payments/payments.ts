/**
 * The sandbox provider: a payment provider for trying Camp out and for its tests. A process of its own on loopback that
 * speaks the part of Stripe's API that Camp uses, so that the same SDK drives it; no money moves. It fails as it is told
 * to, and can be asked what really happened.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { nextMessage } from '../child.ts';
import type { FromPayments, PaymentBehaviour, PaymentTruth, ToPayments } from './report.ts';

export type { PaymentBehaviour, PaymentTruth } from './report.ts';

export interface PaymentSandbox {
  port: number;
  pid: number;
  /** The environment that points Camp at it. */
  env: Record<string, string>;
  behave(behaviour: Partial<PaymentBehaviour>): Promise<void>;
  truth(): Promise<PaymentTruth>;
  stop(): Promise<void>;
}

const NAME = 'The sandbox provider';
const WEBHOOK_SECRET = 'whsec_sandbox';

/** Throws when the port is taken. Without a port, any free one. */
export async function startPaymentSandbox({ port = 0 } = {}): Promise<PaymentSandbox> {
  const program = join(import.meta.dirname, 'main.ts');
  const child = fork(program, [String(port), WEBHOOK_SECRET], { execArgv: [] });
  const ended = once(child, 'exit');
  const first = await nextMessage<FromPayments>(child, NAME);
  if (first.kind !== 'ready')
    throw new Error(`${NAME} cannot start: ${first.kind === 'failed' ? first.error : first.kind}`);
  const ask = async (question: ToPayments) => {
    child.send(question);
    return nextMessage<FromPayments>(child, NAME);
  };
  return {
    port: first.port,
    pid: child.pid ?? 0,
    env: {
      STRIPE_HOST: '127.0.0.1',
      STRIPE_PORT: String(first.port),
      STRIPE_PROTOCOL: 'http',
      STRIPE_SECRET_KEY: 'sk_test_sandbox',
      STRIPE_WEBHOOK_SECRET: WEBHOOK_SECRET,
    },
    async behave(behaviour) {
      await ask({ kind: 'behave', behaviour });
    },
    async truth() {
      const told = await ask({ kind: 'truth' });
      if (told.kind !== 'truth') throw new Error(`the sandbox provider answered ${told.kind}`);
      return told.truth;
    },
    async stop() {
      if (child.connected) child.disconnect();
      await ended;
    },
  };
}
