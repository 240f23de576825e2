/**
 * The crash matrix: the web server is killed at each border of a payment's phases, while the provider misbehaves in each
 * of its ways, and the client comes back with the same key or with a new one. What really happened is asked of the sandbox
 * provider, of the sink that takes the mails, and of Postgres.
 */
import { Database } from '../../server/kernel/database.ts';
import { type PaymentSandbox, startPaymentSandbox } from '../../server/sandbox/payments/payments.ts';
import { PAYMENT_FAULTS, type PaymentFault } from '../../server/sandbox/payments/report.ts';
import { PROVIDER_EVENTS } from '../../server/web/payments.ts';
import { type Change, changedCopy } from '../crash/copy.ts';
import { setSeller } from '../support/invoices.ts';
import { type Sink, startSink } from '../support/sink.ts';
import { type Api, type Program, startApi, startWorker } from './api.ts';
import { type Count, check } from './check.ts';
import { type Naming, Shop } from './shop.ts';

/** After each of the seven phases; the last is when the answer has been sent. */
export const BORDERS = [
  'claimed',
  'intended',
  'created',
  'sent',
  'confirmed',
  'settled',
  'answered',
] as const;
export const RETRIES = ['same-key', 'new-key'] as const;
export const FAULTS = PAYMENT_FAULTS;

export interface Cell {
  border: (typeof BORDERS)[number];
  retry: (typeof RETRIES)[number];
}

/** How long the first server may take to die of its fault point. */
const DIE_MS_MAX = 60_000;

/** A server that died is taken over after 2 s, a payment that nobody comes back for is looked at after 3 s. */
const SHORT_WAITS: Change[] = [
  { file: 'server/kernel/idempotency.ts', find: 'LEASE_MS = 30_000', replace: 'LEASE_MS = 2_000' },
  { file: 'server/kernel/idempotency.ts', find: 'RENEW_MS = 10_000', replace: 'RENEW_MS = 500' },
  { file: 'server/billing/charge.ts', find: 'FIRST_LOOK_MS = 120_000', replace: 'FIRST_LOOK_MS = 3_000' },
  { file: 'server/billing/reconcile.ts', find: 'FIRST_LOOK_MS, 600_000', replace: 'FIRST_LOOK_MS, 6_000' },
  { file: 'server/billing/stripe.ts', find: 'CALL_MS = 25_000', replace: 'CALL_MS = 1_000' },
];

export class Matrix {
  readonly #program: Program;
  readonly #database: Database;
  readonly #provider: PaymentSandbox;
  readonly #sink: Sink;
  readonly #survivor: Api;
  readonly #worker: { stop(): Promise<unknown> };
  readonly #shops: Shop[] = [];
  readonly #violations: string[] = [];
  /** What the provider was told to do. */
  readonly #faults = new Set<PaymentFault>();
  #shopsOpened = 0;

  private constructor(parts: {
    program: Program;
    database: Database;
    provider: PaymentSandbox;
    sink: Sink;
    survivor: Api;
  }) {
    this.#program = parts.program;
    this.#database = parts.database;
    this.#provider = parts.provider;
    this.#sink = parts.sink;
    this.#survivor = parts.survivor;
    this.#worker = startWorker(parts.program);
  }

  /** On a migrated database with its default workspace. */
  static async start(databaseUrl: string, folder: string): Promise<Matrix> {
    const [root, provider, sink] = await Promise.all([
      changedCopy(folder, SHORT_WAITS),
      startPaymentSandbox(),
      startSink(folder),
    ]);
    const env = {
      ...provider.env,
      BILLING: 'on',
      DATABASE_URL: databaseUrl,
      SMTP_URL: sink.smtpUrl,
      CAMP_LOG_LEVEL: 'error',
    };
    const database = new Database(databaseUrl, { connectionsMax: 4, applicationName: 'camp test' });
    await setSeller(database);
    const program = { root, env };
    const survivor = await startApi(program);
    const webhookUrl = survivor.url + PROVIDER_EVENTS;
    await provider.behave({ webhookUrl, webhooks: 'thrice-shuffled' });
    return new Matrix({ program, database, provider, sink, survivor });
  }

  /** `any`: each fault in its turn. */
  async misbehave(fault: PaymentFault | 'any'): Promise<void> {
    for (const one of fault === 'any' ? PAYMENT_FAULTS : [fault]) this.#faults.add(one);
    await this.#provider.behave({ fault, verbs: ['create', 'confirm'] });
  }

  /** So many payments come to the border in one server, which dies there with all of them. */
  async run({ border, retry }: Cell, rounds: number): Promise<void> {
    const isArmed = border !== 'answered';
    const [victim, shops] = await Promise.all([
      startApi(this.#program, isArmed ? `${border}:${rounds}` : ''),
      this.#openShops(rounds, retry),
    ]);
    const asked = Promise.all(shops.map((shop) => shop.ask(victim.url)));
    if (isArmed) {
      const tooLong = setTimeout(() => {
        this.#violations.push(`the server never came to ${border} with ${rounds} payments (${retry})`);
        void victim.kill();
      }, DIE_MS_MAX);
      await victim.ended;
      clearTimeout(tooLong);
    }
    await asked;
    await victim.kill();
    await Promise.all(shops.map((shop) => shop.insist(this.#survivor.url, retry === 'new-key')));
  }

  async check(): Promise<Count> {
    const count = await check({
      shops: this.#shops,
      database: this.#database,
      provider: this.#provider,
      sink: this.#sink,
    });
    const { faults } = await this.#provider.truth();
    const unmet = [...this.#faults].filter((fault) => !faults[fault]);
    const violations = [...this.#violations, ...unmet.map((fault) => `nobody met ${fault}`)];
    return { ...count, violations: [...violations, ...count.violations] };
  }

  async stop(): Promise<void> {
    await Promise.all([this.#worker.stop(), this.#survivor.kill(), this.#provider.stop(), this.#sink.stop()]);
    await this.#database.close();
  }

  async #openShops(rounds: number, retry: Cell['retry']): Promise<Shop[]> {
    const shops = await Promise.all(
      Array.from({ length: rounds }, (_, round) => {
        const naming: Naming = retry === 'same-key' ? 'none' : round % 2 === 0 ? 'reference' : 'invoice';
        this.#shopsOpened += 1;
        return Shop.open(this.#database, this.#survivor.url, this.#shopsOpened, naming);
      }),
    );
    this.#shops.push(...shops);
    return shops;
  }
}
