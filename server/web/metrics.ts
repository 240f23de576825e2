/**
 * Metrics, as Prometheus reads them. Labels come from closed sets (a route's template, a status, a word of ours): never an
 * address, a workspace, a campaign or a URL. What concerns one campaign is SQL's.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import packageJson from '../../package.json' with { type: 'json' };

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export class Metrics {
  readonly #registry = new Registry();
  readonly #requests = this.#counter(
    'camp_http_requests_total',
    'Requests answered.',
    'route',
    'method',
    'status',
  );
  readonly #seconds = new Histogram({
    name: 'camp_http_request_seconds',
    help: 'From the first byte of a request to the last of its answer.',
    labelNames: ['route', 'method'],
    buckets: SECONDS,
    registers: [this.#registry],
  });
  readonly inFlight = new Gauge({
    name: 'camp_http_requests_in_flight',
    help: 'Requests that are being answered.',
    registers: [this.#registry],
  });
  readonly shed = this.#counter(
    'camp_shed_total',
    'Requests refused because this process does not keep up.',
    'class',
  );
  readonly limited = this.#counter('camp_rate_limited_total', 'Requests beyond a limit.', 'limit');
  readonly authFailures = this.#counter(
    'camp_auth_failures_total',
    'Requests whose key or session is not valid.',
    'kind',
  );
  readonly idempotency = this.#counter(
    'camp_idempotency_total',
    'Requests with an Idempotency-Key.',
    'result',
  );

  constructor(load: { readonly lagMs: number; readonly waitMs: number }) {
    collectDefaultMetrics({ register: this.#registry, prefix: 'camp_' });
    this.#gauge(
      'camp_event_loop_lag_seconds',
      'By how much the event loop comes late.',
      () => load.lagMs / 1_000,
    );
    this.#gauge(
      'camp_pg_pool_wait_seconds',
      'For how long a transaction has been waiting for a connection.',
      () => load.waitMs / 1_000,
    );
    const build = new Gauge({
      name: 'camp_build_info',
      help: 'Always 1.',
      labelNames: ['version'],
      registers: [this.#registry],
    });
    build.set({ version: packageJson.version }, 1);
  }

  /** `route`: the template; of an unknown URL the word unknown. */
  answered(route: string, method: string, status: number, ms: number): void {
    this.#requests.inc({ route, method, status });
    this.#seconds.observe({ route, method }, ms / 1_000);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }

  #counter<L extends string>(name: string, help: string, ...labelNames: L[]): Counter<L> {
    return new Counter({ name, help, labelNames, registers: [this.#registry] });
  }

  #gauge(name: string, help: string, value: () => number): void {
    new Gauge({
      name,
      help,
      registers: [this.#registry],
      collect() {
        this.set(value());
      },
    });
  }
}
