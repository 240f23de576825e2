/** One provider at work: its limits, its mailboxes, how it behaves at the moment, and its counters. Knows no socket. */
import type { Ledger, MessageRecord } from './ledger.ts';
import { type Breach, LimitBook } from './limits.ts';
import { Mailboxes } from './mailboxes.ts';
import type { Manner, ProviderSpec } from './spec.ts';

/** As the provider counted. Messages that were refused at MAIL or RCPT are among the rejected and deferred. */
export interface ProviderReport {
  provider: string;
  accepted: number;
  rejected: number;
  deferred: number;
  /** The dot came and the answer was not given: accepted or not. */
  uncertain: number;
  limits_broken: number;
  connections_max: number;
  connections_total: number;
  connections_open: number;
  /** The first breaches. */
  broken: Breach[];
  /** What a client must not do, and how often it was done. */
  faults: Record<string, number>;
}

export interface ProviderOptions {
  spec: ProviderSpec;
  seed: number;
  ledger: Ledger;
  /** Besides its own. */
  otherDomains: readonly string[];
}

export class Provider {
  readonly spec: ProviderSpec;
  readonly limits: LimitBook;
  readonly mailboxes: Mailboxes;
  manner: Manner;
  readonly #ledger: Ledger;
  readonly #domains: ReadonlySet<string>;
  readonly #changes = new Set<Partial<Manner>>();
  readonly #counts = { accepted: 0, rejected: 0, deferred: 0, uncertain: 0 };
  readonly #faults = new Map<string, number>();
  #connections = 0;
  #connectionsOpen = 0;

  constructor({ spec, seed, ledger, otherDomains }: ProviderOptions) {
    this.spec = spec;
    this.manner = spec.manner;
    this.limits = new LimitBook(spec.limits);
    this.mailboxes = new Mailboxes(seed, spec.greylistMs);
    this.#ledger = ledger;
    this.#domains = new Set([...spec.domains.map(({ domain }) => domain), ...otherDomains]);
  }

  serves(domain: string): boolean {
    return this.#domains.has(domain);
  }

  /** Counts a connection and gives it a number. */
  connected(): number {
    this.#connectionsOpen += 1;
    this.#connections += 1;
    return this.#connections;
  }

  disconnected(): void {
    this.#connectionsOpen -= 1;
  }

  /** A message was refused before its data were taken. */
  refused(reply: string): void {
    this.#counts[reply.startsWith('4') ? 'deferred' : 'rejected'] += 1;
  }

  /** A message is over. */
  settled(record: Omit<MessageRecord, 'provider'>): void {
    if (!record.answered) this.#counts.uncertain += 1;
    else if (record.accepted) this.#counts.accepted += 1;
    else this.refused(record.reply);
    this.#ledger.write({ provider: this.spec.name, ...record });
  }

  fault(what: string): void {
    this.#faults.set(what, (this.#faults.get(what) ?? 0) + 1);
  }

  /** From now on; call what it returns to take it back. Later changes go over earlier ones. */
  change(manner: Partial<Manner>): () => void {
    this.#changes.add(manner);
    this.#behave();
    return () => {
      this.#changes.delete(manner);
      this.#behave();
    };
  }

  report(): ProviderReport {
    return {
      provider: this.spec.name,
      ...this.#counts,
      limits_broken: this.limits.broken,
      connections_max: this.limits.connectionsMax,
      connections_total: this.#connections,
      connections_open: this.#connectionsOpen,
      broken: this.limits.examples,
      faults: Object.fromEntries(this.#faults),
    };
  }

  #behave(): void {
    this.manner = Object.assign({ ...this.spec.manner }, ...this.#changes);
  }
}
