/**
 * What a reply means: one table, first match wins, from the particular to the general: phase, a provider's own words, words
 * of anybody, enhanced code (RFC 3463), base code. In the field the codes disagree with the words and with one another
 * (Gmail: `421 5.7.32`), so the first digit decides whether trying again makes sense, and words and enhanced code decide
 * whose fault it is.
 *
 * Only a permanent fault of the recipient suppresses the address: a wrong suppression costs a reader for ever, a missing one
 * costs one more bounce. What no row knows is `unclassified`: a 4xx is tried again, a 5xx ends this message alone, and a
 * person is asked (`camp replies unclassified`).
 *
 * Before: reply.ts has parsed the reply. After: delivery/ makes an outcome of it. The rows: replies-rules-*.ts.
 */
import type { Action, Classification, Phase } from './classification.ts';
import type { Rule } from './replies-rule.ts';
import { codeRules, firstRules } from './replies-rules-code.ts';
import { bulkRuleHosts, providerRules } from './replies-rules-providers.ts';
import { textRules } from './replies-rules-text.ts';
import { toldWaitMs } from './replies-wait.ts';
import type { Reply } from './reply.ts';

/** What is looked at, and what is worth keeping: a reply may be 64 KB of anything. */
export const REPLY_TEXT_CHARS_MAX = 1_000;

/** Greylisting wants the same message again from the same address: this long after its first, second and third refusal. */
const GREYLIST_WAITS_MS = [5, 10, 20].map((minutes) => minutes * 60_000);

/** Some servers put the enhanced code at the end: "no mailbox here by that name (#5.1.1)". */
const LATE_ENHANCED = /#([245]\.\d{1,3}\.\d{1,3})\b/;

/** Ends before the dots of "<ann@example.net>...User unknown". */
const ADDRESS = /<?[^<>@"'(),:;]+@(?:[\w-]|\.(?!\.))*>?/g;

export const rules: readonly Rule[] = [...firstRules, ...providerRules, ...textRules, ...codeRules];

/**
 * `mxHost`: null when the other side is a relay, or nobody knows. `deferrals`: how often the message was deferred before,
 * for the schedule of a greylist.
 */
export function classify(
  phase: Phase,
  reply: Reply,
  mxHost: string | null = null,
  deferrals = 0,
): Classification {
  const seen = seenOf(phase, reply, mxHost);
  const row = rules.find((rule) => matches(rule, seen));
  if (!row) throw new Error('the last rules match everything');
  return {
    class: row.class,
    fault: row.fault,
    duration: row.duration ?? (reply.code < 500 ? 'temporary' : 'permanent'),
    action: within(row.action ?? byDigit(reply.code), reply.code, seen.mxHost),
    waitMs: waitMsOf(row, seen, deferrals),
    rule: row.rule,
    source: row.source,
  };
}

interface Seen {
  phase: Phase;
  code: string;
  enhanced: string;
  text: string;
  mxHost: string | null;
}

function seenOf(phase: Phase, { code, enhanced, text }: Reply, mxHost: string | null): Seen {
  // A sentence may be broken anywhere to fit the lines of the reply.
  const start = text.slice(0, REPLY_TEXT_CHARS_MAX).replaceAll('\n', ' ');
  return {
    phase,
    code: String(code),
    enhanced: enhanced ?? LATE_ENHANCED.exec(start)?.[1] ?? '',
    text: withoutAddresses(start),
    mxHost: mxHost && `.${mxHost.toLowerCase().replace(/\.$/, '')}`,
  };
}

/** A recipient may be called spam@… or dmarc@…; that is not what the server says. */
function withoutAddresses(text: string): string {
  if (!text.includes('@')) return text;
  return text.replace(/\S+/g, (word) => (word.includes('@') ? word.replace(ADDRESS, '<>') : word));
}

function matches(rule: Rule, { phase, code, enhanced, text, mxHost }: Seen): boolean {
  return (
    (rule.via === undefined || (rule.via === 'mx') === (mxHost !== null)) &&
    (rule.phases?.includes(phase) ?? true) &&
    (rule.mx === undefined || isSaidBy(rule, rule.mx, mxHost)) &&
    (rule.code?.test(code) ?? true) &&
    (rule.enhanced?.test(enhanced) ?? true) &&
    (rule.text?.test(text) ?? true)
  );
}

function isSaidBy(rule: Rule, mx: readonly string[], mxHost: string | null): boolean {
  return mxHost === null ? rule.unmistakable === true : mx.some((suffix) => mxHost.endsWith(suffix));
}

/** One small site's opinion says nothing of us: it holds no campaign, and there is no relay to pause. */
function within(action: Action, code: number, mxHost: string | null): Action {
  if (mxHost === null) return action;
  if (action.kind === 'pause-route') return { kind: 'retry' };
  const weighs = bulkRuleHosts.some((suffix) => mxHost.endsWith(suffix));
  return action.kind === 'hold-campaign' && !weighs ? byDigit(code) : action;
}

function byDigit(code: number): Action {
  return { kind: code < 500 ? 'retry' : 'reject' };
}

function waitMsOf(row: Rule, { code, text }: Seen, deferrals: number): number | null {
  if (!code.startsWith('4')) return null;
  const scheduled = row.class === 'greylist' ? GREYLIST_WAITS_MS[Math.min(deferrals, 2)] : undefined;
  return toldWaitMs(text) ?? scheduled ?? null;
}
