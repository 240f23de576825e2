/**
 * MTA-STS (RFC 8461): a domain says by DNS and HTTPS that its mail hosts have certificates which can be trusted.
 *
 * The record at _mta-sts.DOMAIN costs a question to the DNS and says only whether there is something new; the policy
 * is fetched when its id is new, when it expired, and once a day, so that a policy in use does not run out.
 *
 * A policy that is in memory and not expired stays in force whatever happens to the record and the web server: who
 * suppresses them gains nothing (section 3.1). A fetch that failed is not tried again for some minutes.
 */
import type { Scope } from '../kernel/scope.ts';
import { fetchStsPolicy, type StsResolver } from './mta-sts-fetch.ts';
import { type StsPolicy, stsIdOf } from './mta-sts-policy.ts';

export interface MtaStsOptions {
  readonly resolver: StsResolver;
  /** Of the policies' web servers; 443 but for tests. */
  readonly port?: number;
  /** Milliseconds for one fetch, which the first message to a domain waits for. */
  readonly fetchMs?: number;
  readonly domainsMax?: number;
  /** Unix milliseconds. */
  readonly now?: () => number;
}

const HTTPS_PORT = 443;
/** The RFC suggests a minute. */
const FETCH_MS = 10_000;
const DOMAINS_MAX = 10_000;
const REFRESH_MS = 86_400_000;
const RETRY_MS = 5 * 60_000;

interface Known {
  /** Of the last fetch, successful or not. */
  readonly id: string;
  /** Null until a fetch succeeded. */
  readonly policy: StsPolicy | null;
  readonly expiresMs: number;
  /** From then on it is fetched again though the id is the same. */
  readonly fetchAgainMs: number;
}

export class MtaSts {
  readonly #scope: Scope;
  readonly #resolver: StsResolver;
  readonly #port: number;
  readonly #fetchMs: number;
  readonly #domainsMax: number;
  readonly #now: () => number;
  /** By domain, in the order of the last fetch. */
  readonly #known = new Map<string, Known>();
  readonly #fetches = new Map<string, Promise<StsPolicy | null>>();

  /** What several messages wait for is fetched in `scope`, not in the scope of any of them. */
  constructor(
    scope: Scope,
    {
      resolver,
      port = HTTPS_PORT,
      fetchMs = FETCH_MS,
      domainsMax = DOMAINS_MAX,
      now = Date.now,
    }: MtaStsOptions,
  ) {
    this.#scope = scope;
    this.#resolver = resolver;
    this.#port = port;
    this.#fetchMs = fetchMs;
    this.#domainsMax = domainsMax;
    this.#now = now;
  }

  /** The domain's policy, of whatever mode; null when it has none that we can learn. Only the end of a scope rejects. */
  async policyOf(scope: Scope, domain: string): Promise<StsPolicy | null> {
    const texts = await this.#resolver.txt(scope, `_mta-sts.${domain}`);
    const id = texts.kind === 'found' ? stsIdOf(texts.records) : null;
    if (id === null || !this.#isDue(domain, id)) return this.#inForce(domain);
    const underWay = this.#fetches.get(domain);
    if (underWay) return underWay;
    const fetch = this.#fetch(domain, id).finally(() => this.#fetches.delete(domain));
    this.#fetches.set(domain, fetch);
    return fetch;
  }

  #isDue(domain: string, id: string): boolean {
    const known = this.#known.get(domain);
    return !known || known.id !== id || known.fetchAgainMs <= this.#now();
  }

  #inForce(domain: string): StsPolicy | null {
    const known = this.#known.get(domain);
    return known && this.#now() < known.expiresMs ? known.policy : null;
  }

  async #fetch(domain: string, id: string): Promise<StsPolicy | null> {
    const fetched = await fetchStsPolicy(this.#scope, {
      resolver: this.#resolver,
      domain,
      port: this.#port,
      fetchMs: this.#fetchMs,
    });
    const now = this.#now();
    if (fetched.kind === 'failed') {
      const { policy, expiresMs } = this.#known.get(domain) ?? { policy: null, expiresMs: 0 };
      this.#keep(domain, { id, policy, expiresMs, fetchAgainMs: now + RETRY_MS });
      return this.#inForce(domain);
    }
    const { policy } = fetched;
    const ageMs = policy.maxAgeSeconds * 1_000;
    this.#keep(domain, {
      id,
      policy,
      expiresMs: now + ageMs,
      fetchAgainMs: now + Math.min(ageMs, REFRESH_MS),
    });
    return policy;
  }

  #keep(domain: string, known: Known): void {
    this.#known.delete(domain);
    this.#known.set(domain, known);
    const [oldest] = this.#known.keys();
    if (this.#known.size > this.#domainsMax && oldest !== undefined) this.#known.delete(oldest);
  }
}
