/**
 * `camp demo`: a real campaign from a CSV file to a table that adds up, on this machine alone. Everything is real
 * (Postgres, worker processes, SMTP) but for the mail server, which delivers nothing and counts what it accepted:
 * at the end Camp's book is compared with that.
 */
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Command } from 'commander';
import type { ImportReport } from '../audience/import.ts';
import { cancelCampaign, sendCampaign } from '../campaigns/campaign.ts';
import { createCampaign } from '../campaigns/draft.ts';
import { type CampaignKey, campaignPage } from '../campaigns/queries.ts';
import { CAMPAIGN_MOVES } from '../campaigns/states.ts';
import type { CampaignStatus } from '../campaigns/status.ts';
import type { Database } from '../kernel/database.ts';
import { MigrationRefused } from '../kernel/migrate.ts';
import { Scope } from '../kernel/scope.ts';
import { readInteger } from './arguments.ts';
import { hasEnded, watchCampaign } from './campaign-status.ts';
import { type Cli, run } from './cli.ts';
import { dataFolder } from './data-folder.ts';
import { type CityParts, cityTotals, sayCity, startCity } from './demo-city.ts';
import { type DemoContacts, demoContacts } from './demo-contacts.ts';
import { addsUp, resultOf, sayTable, sayWhatNext } from './demo-report.ts';
import { CommandError } from './errors.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { importWithProgress } from './import.ts';
import { interruptScope } from './interrupt.ts';
import { plural, styled } from './output.ts';
import { startParts, step } from './parts.ts';

const CAMPAIGN_NAME = 'Welcome (demo)';
const TEMPLATE = join(import.meta.dirname, '../../examples/welcome.mjml');
const WORKERS = 2;
const RECIPIENTS_MAX = 1_000_000;
/** One of the city's providers never says a word; nobody watches a demo for two days. */
const CITY_GIVE_UP_SECONDS = 30;
const EARLIER_MAX = 1_000;
const END_EARLY_MS_MAX = 30_000;

export function demoCommand(program: Command): void {
  program
    .command('demo')
    .description('see it work: import 10,000 contacts, send them a campaign, compare the books')
    .option('--recipients <n>', 'how many', '10000')
    .option('--connections <n>', 'SMTP connections of each worker')
    .option('--city', 'straight to the mail servers of a test city of providers, instead of to one relay')
    .action(run(demo));
}

async function demo(global: Cli, flags: { recipients: string; city?: boolean }): Promise<ExitCode> {
  const recipients = readInteger(flags.recipients, '--recipients', 1, RECIPIENTS_MAX);
  const dataDir = join(dataFolder(global.config), flags.city ? 'demo-city' : 'demo');
  await using started = new AsyncDisposableStack();
  const town = flags.city ? await startCity(join(dataDir, 'city'), recipients) : undefined;
  if (town) started.defer(() => town.city.stop());
  const cli: Cli = { ...global, config: { ...global.config, ...town?.config, dataDir } };
  return await demonstrate(cli, recipients, town);
}

async function demonstrate(cli: Cli, recipients: number, town: CityParts | undefined): Promise<ExitCode> {
  const scope = interruptScope('demo');
  const startedAt = performance.now();
  sayWhatThisIs(cli);
  const parts = await startParts(cli, { workers: WORKERS, scope, logToFile: true }).catch(
    (error: unknown) => {
      throw explainOldData(error, cli);
    },
  );
  try {
    const { database } = parts.open;
    const people = town ?? (await demoContacts(recipients, dataFolder(cli.config)));
    const of = await launch(cli, database, { people, scope, giveUpSeconds: town && CITY_GIVE_UP_SECONDS });
    cli.out.say();
    let status = await watchCampaign(cli.out, database, of, scope);
    if (parts.lost() !== undefined) throw parts.lost();
    const isInterrupted = !hasEnded(status);
    if (isInterrupted) status = await endEarly(cli, database, of);
    const sandbox = town ? await cityTotals(town.city) : await parts.sandbox?.report();
    const run = { status, sandbox, totalMs: performance.now() - startedAt };
    sayTable(cli.out, run);
    const providers = await town?.city.report();
    if (providers) sayCity(cli.out, providers);
    sayWhatNext(cli, parts.sandbox?.folder);
    await parts.stop();
    cli.out.result({ ...resultOf(run), ...(providers && { providers }) });
    if (isInterrupted) return EXIT.interrupted;
    return addsUp(run) ? EXIT.ok : EXIT.failed;
  } catch (error) {
    throw parts.lost() ?? error;
  } finally {
    await parts.stop();
  }
}

/** The demo's own data are worth nothing; those of DATABASE_URL may be. */
function explainOldData(error: unknown, { config }: Cli): unknown {
  if (!(error instanceof MigrationRefused) || config.databaseUrl !== undefined) return error;
  return new CommandError(
    EXIT.failed,
    `The demo's data are of another version of Camp: delete the folder ${dataFolder(config)} and run the command again.`,
  );
}

/** Ctrl-C: what waits is cancelled and what is on the wire is finished, so that the books can be compared all the same. */
async function endEarly(cli: Cli, database: Database, of: CampaignKey): Promise<CampaignStatus> {
  cli.out.say(
    '  Interrupted: what waits is cancelled, what is on the wire is finished. Ctrl-C again ends at once.',
  );
  await cancelCampaign(database, of);
  await using scope = Scope.root('end early', { deadlineMs: END_EARLY_MS_MAX });
  return await watchCampaign(cli.out, database, of, scope);
}

function sayWhatThisIs({ out, config }: Cli): void {
  const leaves =
    config.smtpUrl !== undefined || (config.resolver !== undefined && !isLoopback(config.resolver));
  const where = leaves ? 'THE MAILS ARE REALLY SENT.' : 'No mail leaves this machine.';
  out.say(`${styled(out, 'bold', 'Camp demo')}  ${where} Its data are in ${dataFolder(config)}\n`);
}

/** A name server on this machine that a test city runs; anything else may lead anywhere. */
function isLoopback(resolver: string): boolean {
  return resolver.startsWith('127.');
}

/** From the file to a campaign that is being sent. */
async function launch(
  cli: Cli,
  database: Database,
  { people, scope, giveUpSeconds }: { people: DemoContacts; scope: Scope; giveUpSeconds: number | undefined },
): Promise<CampaignKey> {
  const { workspaceId } = cli;
  scope.throwIfEnded();
  const importedAt = performance.now();
  const { file, listName } = people;
  const report = await importWithProgress(cli, database, { file, listName }, scope);
  step(cli, `${sayImported(report)} on the list "${listName}"`, importedAt);
  await cancelEarlier(cli, database);
  const campaignId = await createCampaign(database, workspaceId, {
    name: CAMPAIGN_NAME,
    listIds: report.listId === null ? [] : [report.listId],
    from: { name: 'Green Mill Farm', email: 'hello@greenmill.example' },
    template: { name: basename(TEMPLATE), body: await readFile(TEMPLATE, 'utf8') },
    ...(giveUpSeconds && { giveUpSeconds }),
  });
  await sendCampaign(database, { workspaceId, campaignId });
  step(cli, 'Campaign launched: MJML, personalised, tracked links, unsubscribe link');
  return { workspaceId, campaignId };
}

function sayImported({ created, unchanged, updated }: ImportReport): string {
  if (created > 0) return `${plural(created, 'contact')} imported`;
  return `${plural(unchanged + updated, 'contact')} were there already`;
}

/** A demo that was interrupted would go on beside this one, and the books would be of both. */
async function cancelEarlier({ workspaceId, out }: Cli, database: Database): Promise<void> {
  const campaigns = await database.withWorkspace(workspaceId, (tx) =>
    campaignPage(tx, workspaceId, null, EARLIER_MAX),
  );
  for (const { id, name, state } of campaigns)
    if (name === CAMPAIGN_NAME && CAMPAIGN_MOVES[state].length > 0 && state !== 'failed') {
      await cancelCampaign(database, { workspaceId, campaignId: id });
      out.say(`  The campaign ${id} of an interrupted demo is cancelled.`);
    }
}
