/** What a request finds around it: one of each in a process. */
import type { Principal } from '../accounts/principal.ts';
import type { OpenBilling } from '../billing/billing.ts';
import type { Config } from '../kernel/config.ts';
import type { Database } from '../kernel/database.ts';
import type { Log } from '../kernel/log.ts';
import type { RateLimits } from '../kernel/rate-limits.ts';
import type { Scope } from '../kernel/scope.ts';
import type { Secrets } from '../kernel/secrets.ts';
import type { Coalesced } from './coalesce.ts';
import type { Load } from './load.ts';
import type { Metrics } from './metrics.ts';
import type { OpenApi } from './openapi.ts';

export interface Services {
  readonly config: Config;
  readonly database: Database;
  /** Seals what is kept of other people's secrets. */
  readonly secrets: Secrets;
  readonly log: Log;
  /** By what was presented: requests of one busy key share their look at it. */
  readonly keyHolders: Coalesced<Principal | null>;
  readonly limits: RateLimits;
  readonly load: Load;
  readonly metrics: Metrics;
  /** Of the routes that are served. */
  readonly openApi: OpenApi;
  /** Null when it is off. */
  readonly billing: OpenBilling | null;
  /** Ends when the process begins to drain: what would go on for ever (a stream of events) ends with it. */
  readonly serving: Scope;
}
