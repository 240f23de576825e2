/** The demo's end: where every message is, what the mail server says of it, and what to do next. */
import type { CampaignStatus } from '../campaigns/status.ts';
import type { SandboxReport } from '../sandbox/sandbox.ts';
import type { Cli } from './cli.ts';
import { dataFolder } from './data-folder.ts';
import { count, type Output, plural, seconds, styled, table } from './output.ts';

export interface DemoRun {
  status: Pick<CampaignStatus, 'campaign' | 'counts'>;
  /** Undefined when the mails went to a relay. */
  sandbox: Pick<SandboxReport, 'accepted' | 'duplicates'> | undefined;
  totalMs: number;
}

/** What each state of a message means, in the order of the table. */
const MEANINGS = {
  accepted: 'the mail server said yes',
  rejected: 'it said no for good: no such user; suppressed from now on',
  deferred: 'it said not now; tried again later',
  suppressed: 'not sent: rejected by an earlier campaign, or unsubscribed',
  cancelled: 'taken back before they were sent',
  expired: 'tried until the give-up age',
  uncertain: 'the connection broke before the answer; never sent twice',
} as const;

export function sayTable(out: Output, run: DemoRun): void {
  const { audience, states, messagesPerSecond } = figures(run);
  const rows = Object.entries(states).map(([state, n]) => [
    state,
    n,
    MEANINGS[state as keyof typeof MEANINGS],
  ]);
  const sum = Object.values(states).reduce((total, n) => total + n, 0);
  out.say();
  out.say(
    table([...rows, ['sum', sum, `of an audience of ${count(audience)}${tick(out, sum === audience)}`]]),
  );
  if (run.sandbox) out.say(`\n${sandboxSentence(out, run.sandbox, states)}`);
  out.say(`${count(messagesPerSecond)} messages/s while sending; ${seconds(run.totalMs)} in all.`);
}

function sandboxSentence(
  out: Output,
  { accepted, duplicates }: NonNullable<DemoRun['sandbox']>,
  states: States,
): string {
  const more = accepted - states.accepted;
  const agrees = duplicates === 0 && more >= 0 && more <= states.uncertain;
  const camps = `${count(states.accepted)} accepted + ${count(more)} of ${count(states.uncertain)} uncertain`;
  return `The mail server counted ${count(accepted)} messages, ${plural(duplicates, 'duplicate')}. Camp: ${camps}${tick(out, agrees)}`;
}

function tick(out: Output, isWell: boolean): string {
  return isWell ? styled(out, 'green', ' ✓') : styled(out, 'red', ' ✗ THIS DOES NOT ADD UP');
}

/** Whether the books agree: Camp's with itself, and with the server's. */
export function addsUp(run: DemoRun): boolean {
  const { audience, states } = figures(run);
  const sum = Object.values(states).reduce((total, n) => total + n, 0);
  if (sum !== audience) return false;
  if (!run.sandbox) return true;
  const more = run.sandbox.accepted - states.accepted;
  return run.sandbox.duplicates === 0 && more >= 0 && more <= states.uncertain;
}

export function resultOf(run: DemoRun): Record<string, unknown> {
  const { audience, states, messagesPerSecond } = figures(run);
  return {
    campaign_id: run.status.campaign.id,
    audience,
    ...states,
    seconds: Number((run.totalMs / 1_000).toFixed(1)),
    messages_per_s: Math.round(messagesPerSecond),
    ...(run.sandbox ? { duplicates: run.sandbox.duplicates, server_accepted: run.sandbox.accepted } : {}),
  };
}

type States = Record<keyof typeof MEANINGS, number>;

interface Figures {
  audience: number;
  states: States;
  messagesPerSecond: number;
}

function figures({ status: { campaign, counts } }: DemoRun): Figures {
  const { accepted, rejected, deferred, suppressed, cancelled, expired, uncertain } = counts;
  const { startedAt, finishedAt } = campaign;
  const sendingMs = startedAt ? (finishedAt ?? new Date()).getTime() - startedAt.getTime() : 0;
  return {
    audience: campaign.audience,
    states: { accepted, rejected, deferred, suppressed, cancelled, expired, uncertain },
    messagesPerSecond: sendingMs > 0 ? (accepted / sendingMs) * 1_000 : 0,
  };
}

export function sayWhatNext({ out, config }: Cli, mailFolder: string | undefined): void {
  const here = `--data-dir ${dataFolder(config)}`;
  const rows = [
    ...(mailFolder ? [['look at the mails', `${mailFolder}/*.eml`]] : []),
    ['ask the database', `bin/camp campaign list ${here}`],
    ['go on with this data', `bin/camp start ${here}`],
    ['use your own', 'DATABASE_URL=postgres://… SMTP_URL=smtp://… bin/camp doctor'],
    ['everything else', 'bin/camp --help'],
  ];
  out.say(`\n${styled(out, 'bold', 'What next')}\n${table(rows)}`);
}
