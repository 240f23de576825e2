/**
 * Messages whose destination is not known yet, on their way into its lane.
 *
 * Before: the freeze met a domain that nobody had looked up. After: they wait in the lane of their destination, as
 * if frozen there; what has no mail host is rejected, and what DNS does not tell now waits and spends a try.
 */
import type { DueMessage } from '../delivery/deliver.ts';
import { domainOf, type Lookup, lookUp } from '../delivery/destination.ts';
import { unroutable } from '../delivery/mx-link.ts';
import { isRetryable } from '../kernel/database.ts';
import type { Scope } from '../kernel/scope.ts';
import type { Resolver } from '../smtp/dns.ts';
import type { Destinations } from './destinations.ts';

/** Messages at a time; their domains are looked up together. */
const MESSAGES_MAX = 1_000;

export interface SorterOptions {
  scope: Scope;
  resolver: Resolver;
  destinations: Destinations;
  /** Moves the message to the lane of its destination. */
  move(message: DueMessage, destinationId: number): void;
  /** Gives it back as it was. */
  giveBack(message: DueMessage): void;
  settle(message: DueMessage, outcome: ReturnType<typeof unroutable>): void;
}

export class Sorter {
  readonly #options: SorterOptions;
  readonly #messages = new Set<DueMessage>();
  readonly #running = new Set<Promise<void>>();

  constructor(options: SorterOptions) {
    this.#options = options;
  }

  get underWay(): DueMessage[] {
    return [...this.#messages];
  }

  free(): number {
    return MESSAGES_MAX - this.#messages.size;
  }

  give(messages: DueMessage[]): void {
    for (const message of messages) this.#messages.add(message);
    for (const [domain, group] of Map.groupBy(messages, ({ email }) => domainOf(email))) {
      const run = this.#sort(domain, group).finally(() => {
        for (const message of group) this.#messages.delete(message);
        this.#running.delete(run);
      });
      this.#running.add(run);
    }
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    await Promise.all(this.#running);
  }

  async #sort(domain: string, messages: DueMessage[]): Promise<void> {
    const { scope, resolver, destinations, move, giveBack, settle } = this.#options;
    const found: Lookup | null = await lookUp(scope, resolver, domain).catch(() => null);
    if (found === null || scope.ended) {
      for (const message of messages) giveBack(message);
      return;
    }
    if (found.kind !== 'found') {
      for (const message of messages) settle(message, unroutable(found));
      return;
    }
    try {
      const id = await destinations.idOf(found.destination);
      await destinations.remember(domain, id);
      for (const message of messages) move(message, id);
    } catch (error) {
      if (!isRetryable(error)) throw error;
      for (const message of messages) giveBack(message);
    }
  }
}
