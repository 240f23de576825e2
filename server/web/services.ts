/** What a request finds around it: one of each in a process. */
import type { Principal } from '../accounts/principal.ts';
import type { OpenBilling } from '../billing/billing.ts';
import type { SenderCheck } from '../campaigns/sender-check.ts';
import type { TemplateThread } from '../campaigns/template-thread.ts';
import type { Config } from '../kernel/config.ts';
import type { Database } from '../kernel/database.ts';
import type { Log } from '../kernel/log.ts';
import type { RateLimits } from '../kernel/rate-limits.ts';
import type { Scope } from '../kernel/scope.ts';
import type { Secrets } from '../kernel/secrets.ts';
import type { Resolver } from '../smtp/dns.ts';
import type { Coalesced } from './coalesce.ts';
import type { LiveHub } from './live-hub.ts';
import type { Load } from './load.ts';
import type { Metrics } from './metrics.ts';
import type { OpenApi } from './openapi.ts';

export interface Services {
  readonly config: Config;
  readonly database: Database;
  /** The same, for transactions of many short statements: it does not wait for each, and takes no COPY. */
  readonly pipelined: Database;
  /** Seals what is kept of other people's secrets. */
  readonly secrets: Secrets;
  /** Which senders a message of its own may have. */
  readonly senders: SenderCheck;
  /** Asks the DNS: a new one whenever it is read, so that whoever published a record a moment ago finds it. */
  readonly resolver: Resolver;
  /** Where other people's templates are compiled and rendered. */
  readonly templates: TemplateThread;
  readonly log: Log;
  /** By what was presented: requests of one busy key share their look at it. */
  readonly keyHolders: Coalesced<Principal | null>;
  readonly limits: RateLimits;
  readonly load: Load;
  readonly live: LiveHub;
  readonly metrics: Metrics;
  /** Of the routes that are served. */
  readonly openApi: OpenApi;
  /** Null when it is off. */
  readonly billing: OpenBilling | null;
  /** Ends when the process begins to drain: what would go on for ever (a stream of events) ends with it. */
  readonly serving: Scope;
}
