/**
 * `camp demo`: a real campaign from a CSV file to a table that adds up, on this machine alone. Everything is real
 * (Postgres, worker processes, SMTP) but for the mail server, which delivers nothing and counts what it accepted:
 * at the end Camp's book is compared with that.
 */
import { readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { Command } from 'commander';
import { cancelCampaign, createCampaign, sendCampaign } from '../campaigns/campaign.ts';
import { type CampaignKey, listCampaigns } from '../campaigns/queries.ts';
import type { CampaignStatus } from '../campaigns/status.ts';
import type { Database } from '../kernel/database.ts';
import type { Scope } from '../kernel/scope.ts';
import { readInteger } from './arguments.ts';
import { hasEnded, watchCampaign } from './campaign-status.ts';
import { type Cli, run } from './cli.ts';
import { dataFolder } from './data-folder.ts';
import { demoContacts } from './demo-contacts.ts';
import { reconcile, resultOf, sayTable, sayWhatNext } from './demo-report.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { importWithProgress } from './import.ts';
import { interruptScope } from './interrupt.ts';
import { plural, styled } from './output.ts';
import { type Parts, startParts, step } from './parts.ts';

const CAMPAIGN_NAME = 'Welcome (demo)';
const TEMPLATE = join(import.meta.dirname, '../../examples/welcome.mjml');
const WORKERS = 2;
const RECIPIENTS_MAX = 1_000_000;
const EARLIER_MAX = 1_000;

export function demoCommand(program: Command): void {
  program
    .command('demo')
    .description('see it work: import 10,000 contacts, send them a campaign, compare the books')
    .option('--recipients <n>', 'how many', '10000')
    .option('--connections <n>', 'SMTP connections of each worker')
    .action(run(demo));
}

async function demo(global: Cli, flags: { recipients: string }): Promise<ExitCode> {
  const recipients = readInteger(flags.recipients, '--recipients', 1, RECIPIENTS_MAX);
  const dataDir = join(dataFolder(global.config), 'demo');
  const cli: Cli = { ...global, config: { ...global.config, dataDir } };
  const scope = interruptScope('demo', () => cli.out.say('\nStopping: what is on the wire is finished first.'));
  const startedAt = performance.now();
  sayWhatThisIs(cli);
  const parts = await startParts(cli, { workers: WORKERS, logToFile: true });
  try {
    const { database } = parts.open;
    const of = await launch(cli, database, recipients);
    const status = await watch(cli, database, of, scope);
    const report = await parts.sandbox?.report();
    const totalMs = performance.now() - startedAt;
    await parts.stop();
    return conclude(cli, parts, { status, report, totalMs });
  } finally {
    await parts.stop();
  }
}
