/** `camp campaign status`, and waiting for a campaign's end. */

import type { CampaignKey } from '../campaigns/queries.ts';
import type { Breakdown } from '../campaigns/queries-breakdown.ts';
import { type CampaignStatus, campaignStatus } from '../campaigns/status.ts';
import { type Database, isDatabaseAway } from '../kernel/database.ts';
import type { Scope } from '../kernel/scope.ts';
import { startCampaignProgress } from './campaign-progress.ts';
import { type Cli, uuid } from './cli.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { interruptScope } from './interrupt.ts';
import { withDatabase } from './open-database.ts';
import { count, type Output, styled, table } from './output.ts';

const LOOK_AGAIN_MS = 250;
const AWAY_MS_MAX = 60_000;
const DESTINATIONS_SHOWN = 10;
const REFUSALS_SHOWN = 5;
const ENDED = new Set(['finished', 'cancelled', 'failed']);

export async function showStatus(
  cli: Cli,
  id: string,
  options: { watch?: boolean; rows?: boolean },
): Promise<ExitCode> {
  const of = { workspaceId: cli.workspaceId, campaignId: uuid(id, 'campaign id') };
  return withDatabase(cli, async (database) => {
    if (options.watch) return waitForEnd(cli, database, of);
    report(cli.out, await campaignStatus(database, of, options.rows ? 'rows' : 'counters'));
    return EXIT.ok;
  });
}

/** Shows the progress until the campaign has ended; Ctrl-C stops looking, not the campaign. */
export async function waitForEnd(cli: Cli, database: Database, of: CampaignKey): Promise<ExitCode> {
  const scope = interruptScope('watch');
  const status = await watchCampaign(cli.out, database, of, scope);
  report(cli.out, status);
  if (!hasEnded(status)) {
    cli.out.say('\nStopped looking. The campaign goes on; `camp campaign pause` would hold it.');
    return EXIT.interrupted;
  }
  return status.campaign.state === 'finished' ? EXIT.ok : EXIT.failed;
}

/** Draws the progress until the campaign or the scope has ended, and gives the last status. */
export async function watchCampaign(
  out: Output,
  database: Database,
  of: CampaignKey,
  scope: Scope,
): Promise<CampaignStatus> {
  const progress = startCampaignProgress(out);
  try {
    for (;;) {
      const status = await patiently(() => campaignStatus(database, of), scope);
      progress.update(status);
      if (hasEnded(status) || scope.ended) return status;
      await scope.sleep(LOOK_AGAIN_MS).catch(() => {});
    }
  } finally {
    progress.stop();
  }
}

/** A database that restarts meanwhile is waited for: the campaign waits as well. */
async function patiently<T>(look: () => Promise<T>, scope: Scope): Promise<T> {
  const deadline = performance.now() + AWAY_MS_MAX;
  for (;;) {
    try {
      return await look();
    } catch (error) {
      if (!isDatabaseAway(error) || scope.ended || performance.now() > deadline) throw error;
      await scope.sleep(LOOK_AGAIN_MS).catch(() => {});
    }
  }
}

/** Cancelled or finished, and nothing of it is under way any more. */
export function hasEnded({ campaign, counts }: CampaignStatus): boolean {
  return (
    ENDED.has(campaign.state) && counts.claimed + counts.committing + counts.queued + counts.deferred === 0
  );
}

function report(out: Output, status: CampaignStatus): void {
  const { campaign, counts, routes, stage, waits, maxPerHour, overrides, breakdown = null } = status;
  const { id, name, state, audience, failure } = campaign;
  out.say(`${styled(out, 'bold', name)}  ${id}\n`);
  out.say(countsTable(status));
  if (breakdown) sayBreakdown(out, breakdown);
  for (const sentence of reasons(status)) out.say(`\n${sentence}`);
  const result = { id, name, state, audience, counts, routes, reason: failure, stage, waits };
  out.result({ ...result, max_per_hour: maxPerHour, overrides, breakdown });
}

/** As it was added up last. */
function sayBreakdown(out: Output, { destinations, refusals }: Breakdown): void {
  const largest = destinations.slice(0, DESTINATIONS_SHOWN);
  if (largest.length > 0)
    out.say(
      `\n${table([
        ['to', 'messages', 'accepted'],
        ...largest.map(({ name, messages, counts }) => [name, messages, counts.accepted ?? 0]),
      ])}`,
    );
  for (const { kind, rule, replies, example } of refusals.slice(0, REFUSALS_SHOWN))
    out.say(`\n${count(replies)} ${kind} by the rule ${rule ?? '–'}: ${example ?? ''}`);
}

function reasons({ campaign, routes, waits, overrides }: CampaignStatus): string[] {
  const { id, state, failure } = campaign;
  const until = waits?.until
    ? `until ${waits.until.toISOString()}`
    : `\`camp campaign continue ${id}\` begins it`;
  return [
    ...routes.map(
      ({ name, reason }) => `The route "${name}" is in trouble and is tried again: ${reason ?? ''}`,
    ),
    ...(waits ? [`It waits for ${waits.for}: ${until}.`] : []),
    ...(failure ? [`${state === 'paused' ? 'It is paused' : 'It failed'}: ${failure}`] : []),
    ...overrides.map(
      ({ at, by, items }) =>
        `${by} sent it against the checklist on ${at.toISOString()}: ${items.map((item) => item.id).join(', ')}.`,
    ),
  ];
}

/** The states of the messages; they add up to the audience. */
function countsTable({ campaign, counts, stage, maxPerHour }: CampaignStatus): string {
  const { state, audience } = campaign;
  const sum = Object.values(counts).reduce((total, n) => total + n, 0);
  return table([
    ['state', state],
    ...(stage
      ? [['stage', `${stage.number} of ${stage.stages.length} (${stage.stages[stage.number - 1]} %)`]]
      : []),
    ...(maxPerHour === null ? [] : [['an hour', maxPerHour, 'at most']]),
    ['audience', audience],
    ['', ''],
    ...Object.entries(counts).map(([name, n]) => [name, n, share(n, audience)]),
    ['sum', sum],
  ]);
}

function share(n: number, audience: number): string {
  return n === 0 || audience === 0 ? '' : `${((100 * n) / audience).toFixed(1).padStart(5)} %`;
}
