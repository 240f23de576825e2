/** The demo's end: where every message is, what the mail server says of it, and what to do next. */
import type { CampaignKey } from '../campaigns/queries.ts';
import type { CampaignStatus } from '../campaigns/status.ts';
import type { SandboxReport } from '../sandbox/sandbox.ts';
import type { Cli } from './cli.ts';
import { dataFolder } from './data-folder.ts';
import { count, type Output, plural, seconds, styled, table } from './output.ts';

export interface DemoRun {
  status: CampaignStatus;
  /** Undefined when the mails went to a relay. */
  sandbox: SandboxReport | undefined;
  totalMs: number;
}

/** What each state of a message means, in the order of the table. */
const MEANINGS = {
  accepted: 'the mail server said yes: it has them now',
  rejected: 'it said no for good (unknown user); bad addresses are suppressed from now on',
  deferred: 'it said not now; they are tried again',
  suppressed: 'rejected by an earlier campaign, or unsubscribed: not sent at all',
  cancelled: 'taken back before they were sent',
  expired: 'tried until the give-up age',
  uncertain: 'the connection broke before the answer: sent or not, nobody can know; never repeated',
} as const;

export function sayTable(out: Output, run: DemoRun): void {
  const { audience, waiting, states, messagesPerSecond } = figures(run);
  const rows = Object.entries(states).map(([state, n]) => [
    state,
    n,
    MEANINGS[state as keyof typeof MEANINGS],
  ]);
  if (waiting > 0) rows.push(['waiting', waiting, 'not sent yet']);
  const sum = Object.values(states).reduce((total, n) => total + n, waiting);
  out.say();
  out.say(
    table([...rows, ['sum', sum, `of an audience of ${count(audience)}${tick(out, sum === audience)}`]]),
  );
  if (run.sandbox) out.say(`\n${sandboxSentence(out, run.sandbox, states)}`);
  out.say(`${count(messagesPerSecond)} messages/s while sending; ${seconds(run.totalMs)} in all.`);
}

function sandboxSentence(out: Output, { accepted, duplicates }: SandboxReport, states: States): string {
  const more = accepted - states.accepted;
  const rest =
    states.uncertain > 0 ? `, and ${more} of the ${plural(states.uncertain, 'uncertain one')}` : '';
  const agrees = duplicates === 0 && more >= 0 && more <= states.uncertain;
  return `The mail server's own count: ${count(accepted)} messages, ${plural(duplicates, 'duplicate')}. That is what Camp calls accepted${rest}${tick(out, agrees)}.`;
}

function tick(out: Output, isWell: boolean): string {
  return isWell ? styled(out, 'green', ' ✓') : styled(out, 'red', ' ✗ THIS DOES NOT ADD UP');
}

/** Whether the books agree: Camp's with itself, and with the server's. */
export function addsUp(run: DemoRun): boolean {
  const { audience, waiting, states } = figures(run);
  const sum = Object.values(states).reduce((total, n) => total + n, waiting);
  if (sum !== audience) return false;
  if (!run.sandbox) return true;
  const more = run.sandbox.accepted - states.accepted;
  return run.sandbox.duplicates === 0 && more >= 0 && more <= states.uncertain;
}

export function resultOf(run: DemoRun): Record<string, unknown> {
  const { audience, waiting, states, messagesPerSecond } = figures(run);
  return {
    campaign_id: run.status.campaign.id,
    audience,
    ...states,
    ...(waiting > 0 ? { waiting } : {}),
    seconds: Number((run.totalMs / 1_000).toFixed(1)),
    messages_per_s: Math.round(messagesPerSecond),
    ...(run.sandbox ? { duplicates: run.sandbox.duplicates, server_accepted: run.sandbox.accepted } : {}),
  };
}

type States = Record<keyof typeof MEANINGS, number>;

interface Figures {
  audience: number;
  waiting: number;
  states: States;
  messagesPerSecond: number;
}

function figures({ status: { campaign, counts } }: DemoRun): Figures {
  const { accepted, rejected, deferred, suppressed, cancelled, expired, uncertain } = counts;
  const { startedAt, finishedAt } = campaign;
  const sendingMs = startedAt ? (finishedAt ?? new Date()).getTime() - startedAt.getTime() : 0;
  return {
    audience: campaign.audience,
    waiting: counts.queued + counts.claimed + counts.committing,
    states: { accepted, rejected, deferred, suppressed, cancelled, expired, uncertain },
    messagesPerSecond: sendingMs > 0 ? (accepted / sendingMs) * 1_000 : 0,
  };
}

export function sayWhatNext(
  { out, config }: Cli,
  { campaignId }: CampaignKey,
  mailFolder: string | undefined,
): void {
  const here = `--data-dir ${dataFolder(config)}`;
  const rows = [
    ...(mailFolder ? [['look at the mails', `${mailFolder}/*.eml`]] : []),
    ['ask again', `bin/camp campaign status ${campaignId} ${here}`],
    ['go on with this data', `bin/camp start ${here}`],
    ['use your own', 'DATABASE_URL=postgres://… SMTP_URL=smtp://… bin/camp doctor'],
    ['everything else', 'bin/camp --help'],
  ];
  out.say(`\n${styled(out, 'bold', 'What next')}\n${table(rows)}`);
}
