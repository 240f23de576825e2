/**
 * History judged anew, when the reply table has learned: what was refused gets the rule that would decide it today, and a
 * suppression that today's rules would not have made is undone. None is made: an address that a person took off the list
 * stays off, and the next campaign will tell.
 *
 * Workspace by workspace and a page a transaction; first the suppressions, whose evidence is judged as it was recorded,
 * then the events. Nothing is lost when it dies: run again, it finds what is left to do.
 */
import type { Database } from '../kernel/database.ts';
import { allWorkspaceIds } from '../kernel/queries.ts';
import type { Scope } from '../kernel/scope.ts';
import { classify } from '../smtp/replies.ts';
import { readReply } from '../smtp/reply.ts';
import * as queries from './queries-rerun.ts';
import { SUPPRESS_AFTER, TROUBLE_DAYS_MAX, type Trouble, troubleOf } from './trouble.ts';

const EVENTS_PER_PAGE = 1_000;
const SUPPRESSIONS_PER_PAGE = 500;

export interface Rerun {
  /** Refusals that were judged, and those of them that another rule decides now. */
  events: number;
  changed: number;
  suppressions: number;
  undone: Undone[];
  /** Suppressions that stay, by another rule. */
  renamed: number;
}

export interface Undone {
  workspaceId: string;
  email: string;
  /** The rule that had led to it, and the one that decides now. */
  was: string | null;
  now: string;
}

export interface RerunOptions {
  since: Date;
  /** Judges, and changes nothing. */
  dryRun: boolean;
  onUndone(undone: Undone): void;
  /** It is asked before every page: what was done until it ended, stays done. */
  scope?: Scope;
}

export async function rerunReplies(database: Database, options: RerunOptions): Promise<Rerun> {
  const done: Rerun = { events: 0, changed: 0, suppressions: 0, undone: [], renamed: 0 };
  for (const workspaceId of await database.withSystem(allWorkspaceIds)) {
    const run = { database, workspaceId, done, ...options };
    await inPages(run, '', (email) => judgeSuppressions(run, email));
    const { since } = options;
    await inPages(run, { at: since.toISOString(), ...LEAST_KEY }, (after) => judgeEvents(run, after));
  }
  return done;
}

const NO_ID = '00000000-0000-0000-0000-000000000000';
const LEAST_KEY = { campaignId: NO_ID, contactId: NO_ID, attempt: -1 };

interface Run extends RerunOptions {
  database: Database;
  workspaceId: string;
  done: Rerun;
}

/** `page` works on what comes after the given place, and gives the next; undefined: that was all. */
async function inPages<Place>(
  { scope }: Run,
  start: Place,
  page: (after: Place) => Promise<Place | undefined>,
): Promise<void> {
  for (let place: Place | undefined = start; place !== undefined; ) {
    scope?.throwIfEnded();
    place = await page(place);
  }
}

async function judgeSuppressions(run: Run, email: string): Promise<string | undefined> {
  const { database, workspaceId, since, dryRun, done } = run;
  const page = { email, since, daysMax: TROUBLE_DAYS_MAX, limit: SUPPRESSIONS_PER_PAGE };
  const judged = await database.withWorkspace(workspaceId, async (tx) => {
    const rows = (await queries.suppressionsAfter(tx, workspaceId, page)).map(judgedSuppression);
    if (dryRun) return rows;
    queries.deleteSuppressions(tx, workspaceId, rows.filter(isUndone));
    queries.renameSuppressions(tx, workspaceId, rows.filter(isRenamed));
    return rows;
  });
  done.suppressions += judged.length;
  done.renamed += judged.filter(isRenamed).length;
  for (const { email, was, rule } of judged.filter(isUndone)) {
    const undone = { workspaceId, email, was, now: rule };
    done.undone.push(undone);
    run.onUndone(undone);
  }
  return judged.length < SUPPRESSIONS_PER_PAGE ? undefined : judged.at(-1)?.email;
}

interface JudgedSuppression extends queries.SuppressionKey {
  was: string | null;
  rule: string;
  holds: boolean;
}

/** Without its event, which may be older than what is kept, it cannot be judged, and stays. */
function judgedSuppression({ events, rule: was, ...key }: queries.SuppressionRow): JudgedSuppression {
  const now = (events ?? []).map((event) => ({ ...event, ...judged(event) }));
  const origin = now.find(
    ({ campaignId, attempt }) => campaignId === key.campaignId && attempt === key.attempt,
  );
  if (!origin) return { ...key, was, rule: was ?? '', holds: true };
  return { ...key, was, rule: origin.rule, holds: origin.trouble !== null && suffices(origin.trouble, now) };
}

/** As queries.suppressRepeated counts; that no acceptance came in between was seen then. */
function suffices(
  trouble: Trouble,
  events: { trouble: Trouble | null; campaignId: string; daysBefore: number }[],
) {
  const alike = events.filter((event) => event.trouble === trouble);
  const { campaigns, days } = SUPPRESS_AFTER[trouble];
  return (
    new Set(alike.map(({ campaignId }) => campaignId)).size >= campaigns &&
    alike.some(({ daysBefore }) => daysBefore >= days)
  );
}

function isUndone({ holds }: JudgedSuppression): boolean {
  return !holds;
}

function isRenamed({ holds, was, rule }: JudgedSuppression): boolean {
  return holds && was !== rule;
}

async function judgeEvents(run: Run, after: queries.EventKey): Promise<queries.EventKey | undefined> {
  const { database, workspaceId, dryRun, done } = run;
  const rows = await database.withWorkspace(workspaceId, async (tx) => {
    const rows = await queries.refusalsAfter(tx, workspaceId, after, EVENTS_PER_PAGE);
    const changed = rows.flatMap((row) => {
      const { rule, trouble } = judged(row);
      return rule === row.rule && trouble === row.trouble ? [] : [{ ...row, rule, trouble }];
    });
    if (!dryRun && changed.length > 0) queries.relabelRefusals(tx, workspaceId, changed);
    done.changed += changed.length;
    return rows;
  });
  done.events += rows.length;
  return rows.length < EVENTS_PER_PAGE ? undefined : rows.at(-1);
}

/** What the reply table says today; what is no reply stays as it is. */
function judged({ phase, detail, mxHost, rule, trouble }: queries.RefusalRow) {
  const reply = phase && detail !== null ? readReply(detail) : null;
  if (!phase || !reply) return { rule: rule ?? '', trouble };
  const found = classify(phase, reply, mxHost);
  return { rule: found.rule, trouble: troubleOf(found) };
}
