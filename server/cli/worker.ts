/**
 * The worker role: a session with a heartbeat, the pump that sends messages, the runner of jobs, and the loop that posts
 * webhooks.
 *
 * When somebody declared this session dead (the process was stopped, or cut off from the database for longer than its
 * lease), everything it holds belongs to others: it drops all of it and begins again with a new session.
 */
import { resetHandlers } from '../accounts/password-reset.ts';
import { billingJobs, type OpenBilling, openBilling, startBillingJobs } from '../billing/billing.ts';
import { holdAtZero } from '../billing/credits.ts';
import { INVOICE_HANDLERS } from '../billing/invoice-jobs.ts';
import { advanceCampaign } from '../campaigns/advance.ts';
import { BREAKDOWN_JOB, breakDown } from '../campaigns/breakdown.ts';
import { ADVANCE_JOB } from '../campaigns/campaign.ts';
import { FORGET_JOB, forget, MAINTAIN_JOB, maintain, startMaintenance } from '../campaigns/maintain.ts';
import { createSigner } from '../content/tokens.ts';
import type { MxContext } from '../delivery/mx-link.ts';
import { Quota } from '../delivery/quota.ts';
import type { Config } from '../kernel/config.ts';
import { Database, isRetryable } from '../kernel/database.ts';
import { JobRunner, recoverJobsOf } from '../kernel/jobs.ts';
import type { Log } from '../kernel/log.ts';
import { installationSecret } from '../kernel/queries.ts';
import { Scope } from '../kernel/scope.ts';
import { loadSecrets, type Secrets } from '../kernel/secrets.ts';
import { WorkerSession } from '../kernel/worker-session.ts';
import { CampaignContents } from '../queue/campaign-content.ts';
import { Pump } from '../queue/pump.ts';
import { recoverMessagesOf } from '../queue/recover.ts';
import { environmentRoute } from '../senders/routes.ts';
import { Resolver, systemServers } from '../smtp/dns.ts';
import { HostMemory } from '../smtp/host-memory.ts';
import { MtaSts } from '../smtp/mta-sts.ts';
import { createResolver } from '../smtp/resolver.ts';
import { mailingOf } from '../web/mailing.ts';
import { respond } from '../web/payments.ts';
import { Deliveries, recoverDeliveriesOf } from '../webhooks/deliveries.ts';
import { OwnNetworks } from '../webhooks/destination.ts';
import { startForgetting, WEBHOOK_HANDLERS } from '../webhooks/retention.ts';

/** One for each loop that may hold a connection: claims, jobs, results, heartbeat, control, routes, webhooks, and handlers. */
const DATABASE_CONNECTIONS = 12;
const DATABASE_RETRY_MS = 500;

export interface WorkerOptions {
  config: Config & { databaseUrl: string };
  log: Log;
  /** When it ends, the worker drains. */
  scope: Scope;
}

export async function runWorker({ config, log, scope }: WorkerOptions): Promise<void> {
  const database = new Database(config.databaseUrl, {
    connectionsMax: DATABASE_CONNECTIONS,
    applicationName: 'camp worker',
    pipeline: true,
    prepare: config.preparedStatements === 'on',
  });
  const secret = config.secret ?? (await database.withSystem((tx) => installationSecret(tx)));
  const secrets = await loadSecrets(database, config.secret);
  const contents = new CampaignContents({
    database,
    secrets,
    fallback: environmentRoute(config),
    signer: createSigner(secret),
    trackingBase: config.publicUrl,
  });
  const billing = await openBilling(config, { database, log, respond });
  while (!scope.ended) {
    const session = await startSession(database, log, scope, billing);
    if (session) await runSession(session, { database, contents, secrets, billing }, { config, log, scope });
  }
  await database.close();
}

/** Waits for a database that is away; undefined when the scope ended first. */
async function startSession(
  database: Database,
  log: Log,
  scope: Scope,
  billing: OpenBilling | null,
): Promise<WorkerSession | undefined> {
  while (!scope.ended) {
    try {
      await startMaintenance(database);
      await startForgetting(database);
      if (billing) await startBillingJobs(billing);
      return await WorkerSession.start({
        database,
        log,
        recover: [recoverMessagesOf, recoverJobsOf, recoverDeliveriesOf],
      });
    } catch (error) {
      if (!isRetryable(error)) throw error;
      log.warn({ event: 'database_away', error: (error as Error).message });
      await scope.sleep(DATABASE_RETRY_MS).catch(() => {});
    }
  }
  return undefined;
}

/** What it takes to send straight to MX hosts: a resolver. */
function mxContext(
  session: { database: Database; log: Log; workerId: string },
  scope: Scope,
  config: Config,
): MxContext | null {
  if (config.resolver === undefined) return null;
  const servers = config.resolver === 'system' ? systemServers() : [config.resolver];
  const resolver = new Resolver({ servers });
  return {
    resolver,
    quota: new Quota(session),
    memory: new HostMemory(),
    mtaSts: new MtaSts(scope, { resolver }),
    dane: config.dane === 'on',
    port: config.mxPort,
  };
}

async function runSession(
  session: WorkerSession,
  {
    database,
    contents,
    secrets,
    billing,
  }: { database: Database; contents: CampaignContents; secrets: Secrets; billing: OpenBilling | null },
  { config, log, scope }: WorkerOptions,
): Promise<void> {
  const common = { database, log, workerId: session.id };
  // Ends with the session's connections.
  await using policies = Scope.root('mta-sts');
  const pump = new Pump({
    ...common,
    contents,
    mx: mxContext(common, policies, config),
    heloName: config.heloName,
    connections: config.connections,
    mxConnections: config.mxConnections,
    retryBaseMs: config.retryBaseSeconds * 1_000,
  });
  const handlers = {
    [ADVANCE_JOB]: billing ? holdAtZero(advanceCampaign) : advanceCampaign,
    [BREAKDOWN_JOB]: breakDown,
    [MAINTAIN_JOB]: maintain,
    [FORGET_JOB]: forget,
    ...INVOICE_HANDLERS,
    ...WEBHOOK_HANDLERS,
    ...resetHandlers(mailingOf(config, 'password-reset')),
    ...(billing ? billingJobs(billing) : {}),
  };
  const jobs = new JobRunner({ ...common, handlers });
  const network = { resolver: createResolver(config), own: new OwnNetworks(config.webhookNetworks) };
  const deliveries = new Deliveries({ ...common, secrets, network });
  log.info({ event: 'worker_started', worker: session.id });
  const work = scope.child('work');
  // The lease is kept through the drain.
  const heartbeat = Scope.root('heartbeat');
  const kept = session.keepAlive(heartbeat).then((end) => {
    if (end === 'ended') return;
    log.warn({ event: 'worker_declared_dead', worker: session.id });
    pump.abandon();
    jobs.abandon();
    deliveries.abandon();
    work.cancel('declared dead');
  });
  await Promise.all([pump.run(work), jobs.run(work), deliveries.run(work)]);
  heartbeat.cancel('drained');
  await kept;
  work.cancel('ended');
  if (scope.ended) await session.end();
  log.info({ event: 'worker_ended', worker: session.id });
}
