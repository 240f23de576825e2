/** How the process is: for whoever starts it, sends it requests, or counts. */
import type { Database } from '../kernel/database.ts';
import { pendingMigrations } from '../kernel/migrate.ts';
import type { Scope } from '../kernel/scope.ts';
import { type ApiRequest, endpoint, ok } from './endpoint.ts';
import { comeAgain, notFound } from './problem.ts';
import { media, oneOf, strict } from './schemas.ts';
import type { Services } from './services.ts';

const ASK_MS_MAX = 2_000;
const AGAIN_MS = 1_000;
/** Whoever asks in between hears the same: a probe is never refused, and must cost nothing. */
const LOOK_EVERY_MS = 1_000;

const StatusSchema = strict({ status: oneOf(['ok']) });

/** Never asks the database: a process that can do nothing about it must not be started again because of it. */
export const live = endpoint({
  summary: 'Is the process alive?',
  scope: 'public',
  idempotency: 'none',
  load: 'probe',
  responses: { 200: StatusSchema },
  run: async () => ok({ status: 'ok' as const }),
});

export const ready = endpoint({
  summary: 'May requests be sent here?',
  description: 'Not while the process drains, while the database does not answer, or before it is migrated.',
  scope: 'public',
  idempotency: 'none',
  load: 'probe',
  responses: { 200: StatusSchema },
  problems: ['draining', 'database-away'],
  async run({ services }) {
    if (services.serving.ended) throw comeAgain('draining', 'It takes no more requests.', AGAIN_MS);
    const trouble = await lately(services);
    if (trouble !== undefined) throw comeAgain('database-away', trouble, AGAIN_MS);
    return ok({ status: 'ok' });
  },
});

const looks = new WeakMap<Database, { at: number; trouble: Promise<string | undefined> }>();

function lately({ database, serving }: Services): Promise<string | undefined> {
  const last = looks.get(database);
  if (last && performance.now() - last.at < LOOK_EVERY_MS) return last.trouble;
  const trouble = troubleOf(database, serving);
  looks.set(database, { at: performance.now(), trouble });
  return trouble;
}

async function troubleOf(database: Database, scope: Scope): Promise<string | undefined> {
  await using asking = scope.child('ask the database', { deadlineMs: ASK_MS_MAX });
  const late = new Promise<string>((resolve) => {
    asking.onEnd(() => resolve(`It did not answer within ${ASK_MS_MAX} ms.`));
  });
  const asked = pendingMigrations(database).then(
    (pending) => (pending.length === 0 ? undefined : 'It is not migrated: run `camp migrate`.'),
    () => 'It cannot be reached.',
  );
  return await Promise.race([asked, late]);
}

export const metrics = endpoint({
  summary: 'Metrics, as Prometheus reads them',
  description: 'Answers to this machine and to private networks only.',
  scope: 'public',
  idempotency: 'none',
  load: 'probe',
  responses: { 200: media('text/plain') },
  async run(request) {
    if (!isNear(request)) throw notFound('page');
    const { metrics } = request.services;
    return ok(await metrics.text(), { 'content-type': metrics.contentType });
  },
});

const NEAR = /^(::ffff:)?(127\.|10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.)|^::1$|^f[cd]/i;

/** Behind a proxy that we were not told to trust everybody has the proxy's address, so nobody is near. */
function isNear({ address, headers, services }: ApiRequest): boolean {
  const isForwarded = headers['x-forwarded-for'] !== undefined || headers.forwarded !== undefined;
  const isBelieved = services.config.trustedProxies.length > 0;
  return NEAR.test(address) && (!isForwarded || isBelieved);
}
