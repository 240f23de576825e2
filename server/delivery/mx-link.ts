/**
 * A slot's way to the MX hosts of a destination: one connection at a time, to the site of the message at hand, inside the
 * limits that all workers share (quota.ts).
 *
 * `route` looks the domain up and `limit` waits for the rate; `connection` needs a permit for every connection that it
 * opens and holds it until that connection has ended. A reply that is about the limits changes them here, for everybody.
 */
import type { Scope } from '../kernel/scope.ts';
import type { Shaping } from '../smtp/classification.ts';
import type { Resolver } from '../smtp/dns.ts';
import type { HostMemory } from '../smtp/host-memory.ts';
import type { MtaSts } from '../smtp/mta-sts.ts';
import { type MxOpen, openMxConnection } from '../smtp/mx-connection.ts';
import { suffices, type TlsPolicy, tlsPolicyOf } from '../smtp/tls-policy.ts';
import type { DueMessage } from './deliver.ts';
import { domainOf, type Lookup, lookUp, targetsOf, type Whereabouts } from './destination.ts';
import type { Target } from './limits.ts';
import type { Link, LinkOpened } from './link.ts';
import type { Outcome } from './outcome.ts';
import type { Permit, Quota } from './quota.ts';
import type { Reaction } from './shaping.ts';

/** Others may need the connection that nobody uses. */
const REST_MS_MAX = 5_000;
/** A message that cannot go within this gives its slot to others. */
const LIMIT_WAIT_MS_MAX = 2_000;
/** All connections of its site are taken, by messages that take a while. */
const BUSY_WAIT_MS = 200;
const BUSY_AGAIN_MS = 500;
const HELD_WAIT_MS_MAX = 60_000;

/** What it takes to speak to MX hosts; one for all links of a worker. */
export interface MxContext {
  resolver: Resolver;
  quota: Quota;
  memory: HostMemory;
  mtaSts: MtaSts;
  /** The resolver validates: TLSA records count. */
  dane: boolean;
  port: number;
}

export interface MxLinkOptions extends MxContext {
  scope: Scope;
  heloName: string;
  /** Source address; null: the machine's default. */
  localAddress: string | null;
  /** Of the destination as a whole. */
  target: Target;
  /** A message goes to this site of the destination. */
  onSite(site: Target): void;
}

interface Open extends MxOpen {
  /** The domain that it was opened for. */
  domain: string;
  site: string;
  permit: Permit;
}

export class MxLink implements Link {
  readonly #options: MxLinkOptions;
  #open: Open | undefined;
  #to: Whereabouts | undefined;
  /** Monotonic: what is heard of this attempt was begun then. */
  #begunAt = 0;
  #resting: NodeJS.Timeout | undefined;
  /** Cut off while it was opening: what it opened is not used. */
  #closed = false;

  constructor(options: MxLinkOptions) {
    this.#options = options;
  }

  async route({ email, deferrals, secondsLeft }: DueMessage): Promise<Outcome | undefined> {
    const { scope, resolver, target, quota } = this.#options;
    const found = await lookUp(scope, resolver, domainOf(email));
    if (found.kind !== 'found') return unroutable(found);
    if (found.destination !== target.name) return { kind: 'moved', destination: found.destination };
    this.#to = found;
    const [site = target] = this.#targets().slice(-1);
    this.#options.onSite(site);
    // What was deferred before has an age of its own.
    if (deferrals > 0 || quota.unreachableForMs(site) < secondsLeft * 1_000) return undefined;
    return unreachableTooLong(site);
  }

  async connection(): Promise<LinkOpened> {
    clearTimeout(this.#resting);
    this.#begunAt = performance.now();
    this.#closed = false;
    const to = this.#routed();
    const current = this.#open;
    if (current && (await this.#serves(current, to))) return current;
    this.quit();
    const permit = await this.#permit();
    return permit ? this.#dial(to, permit) : { kind: 'busy', afterMs: this.#busyMs() };
  }

  async #serves(open: Open, to: Whereabouts): Promise<boolean> {
    const { connection, site, domain } = open;
    if (site !== to.site || !connection.usable || connection.sent >= this.#carries(open)) return false;
    return domain === to.domain || suffices(open, await this.#tlsPolicy(to));
  }

  /** Until the destination takes anything again, when it is known to take nothing. */
  #busyMs(): number {
    const held = this.#options.quota.heldUntil(this.#targets());
    const ms = held ? held.untilMs - Date.now() : 0;
    return Math.min(HELD_WAIT_MS_MAX, Math.max(BUSY_AGAIN_MS, ms));
  }

  /** The site may have room in a moment, when the connection before has said good-bye. */
  async #permit(): Promise<Permit | null> {
    const { quota, scope } = this.#options;
    const permit = quota.connect(this.#targets());
    if (permit) return permit;
    await scope.sleep(BUSY_WAIT_MS);
    return quota.connect(this.#targets());
  }

  async #dial(to: Whereabouts, permit: Permit): Promise<LinkOpened> {
    const { scope, resolver, memory, port, heloName, localAddress } = this.#options;
    const { hosts, site, domain } = to;
    const from = localAddress === null ? {} : { localAddress };
    const tls = await this.#tlsPolicy(to).catch((error: unknown) => {
      permit.release();
      throw error;
    });
    const opened = await openMxConnection(scope, { hosts, resolver, port, heloName, memory, tls, ...from });
    if (opened.kind === 'failed') {
      permit.release();
      return opened;
    }
    opened.connection.onClose(() => permit.release());
    if (this.#closed) {
      opened.connection.close();
      return { kind: 'busy', afterMs: 0 };
    }
    this.#open = { ...opened, domain, site, permit };
    return opened;
  }

  #tlsPolicy({ domain, provider, authenticated }: Whereabouts): Promise<TlsPolicy> {
    const { scope, mtaSts, dane } = this.#options;
    return tlsPolicyOf(scope, mtaSts, { domain, provider, authenticated: dane && authenticated });
  }

  async limit(): Promise<Outcome | undefined> {
    const { quota, scope } = this.#options;
    for (;;) {
      const waitMs = quota.spend(this.#targets());
      if (waitMs === 0) return undefined;
      if (waitMs > LIMIT_WAIT_MS_MAX) return { kind: 'released', afterMs: waitMs, trouble: null };
      await scope.sleep(waitMs);
    }
  }

  learn(outcome: Outcome): void {
    const { quota } = this.#options;
    if (!this.#to || outcome.kind === 'moved') return;
    const [own, ...deeper] = this.#targets();
    const targets = own ? [own, ...deeper] : [];
    if (outcome.kind === 'accepted') quota.accepted(targets);
    else if (outcome.kind === 'released' && outcome.shaping && own)
      quota.react([own], this.#reaction(outcome.shaping.action, outcome.shaping));
    else if (outcome.kind === 'deferred' && outcome.unreachable)
      quota.react(targets.slice(-1), this.#evidence('trouble', outcome.detail, outcome.rule));
    else if ('metAt' in outcome && outcome.metAt) quota.react(targets, this.#evidence('cleared', '', ''));
    if (this.#open?.permit.shouldClose()) this.quit();
  }

  #reaction(action: Shaping, { reply, rule }: { reply: string; rule: string }): Reaction {
    const evidence = { begunAt: this.#begunAt, reply, rule };
    if (action.kind !== 'fewer-messages-per-connection') return { ...action, ...evidence };
    return { ...action, ...evidence, carried: Math.max(1, (this.#open?.connection.sent ?? 1) - 1) };
  }

  #evidence(kind: 'trouble' | 'cleared', reply: string, rule: string): Reaction {
    return { kind, begunAt: this.#begunAt, reply, rule };
  }

  rest(): void {
    this.#resting = setTimeout(() => this.quit(), REST_MS_MAX);
  }

  quit(): void {
    clearTimeout(this.#resting);
    this.#open?.connection.quit();
    this.#open = undefined;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#resting);
    this.#open?.connection.close();
    this.#open = undefined;
  }

  #routed(): Whereabouts {
    if (!this.#to) throw new Error('a message needs a route before a connection');
    return this.#to;
  }

  #targets(): Target[] {
    return targetsOf(this.#options.target, this.#routed());
  }

  #carries({ host }: Open): number {
    const { quota, memory } = this.#options;
    return Math.min(
      quota.messagesPerConnection(this.#targets()),
      memory.of(host).messagesPerConnection ?? Infinity,
    );
  }
}

/** Its mail hosts have let nobody in for longer than the message may wait. */
export function unreachableTooLong({ name }: Target): Extract<Outcome, { kind: 'expired' }> {
  const detail = `none of the mail hosts of ${name} could be reached for longer than the give-up age of its campaign`;
  return { kind: 'expired', detail, rule: 'unreachable' };
}

/** A domain without mail hosts, or one that DNS says nothing of now. */
export function unroutable(
  found: Exclude<Lookup, Whereabouts>,
): Extract<Outcome, { kind: 'rejected' | 'deferred' }> {
  if (found.kind === 'failed')
    return {
      kind: 'deferred',
      detail: `DNS: ${found.error}`,
      rule: 'dns-failed',
      metAt: null,
      trouble: null,
      waitMs: null,
      unreachable: false,
    };
  return { kind: 'rejected', detail: found.detail, rule: found.reason, metAt: null, trouble: 'dead-domain' };
}
