/**
 * What Camp says, held against what the sink wrote down: whether anybody was lost, got a campaign twice, or is
 * reported wrongly, and whether the sums agree. It reads rows and counters itself and believes neither.
 */
import type { Database } from '../../server/kernel/database.ts';
import { DEFAULT_WORKSPACE_ID } from '../../server/kernel/ids.ts';
import { sql } from '../../server/kernel/sql.ts';
import { type MessageState, UNFINISHED_STATES } from '../../server/queue/states.ts';
import type { SinkRecord } from './sink.ts';

/** The relay said that it owns the message; what came later does not change that. */
const ACCEPTED_STATES: readonly MessageState[] = ['accepted', 'bounced', 'complained'];
const VIOLATIONS_PER_KIND_SHOWN = 5;

export interface CheckedCampaign {
  id: string;
  /** Of every message of it, and of no other campaign. */
  subject: string;
}

export interface CheckInput {
  database: Database;
  campaigns: CheckedCampaign[];
  /** The addresses that must get each campaign. */
  audience: string[];
  records: SinkRecord[];
  /** In all campaigns together. */
  uncertainMax: number;
}

export interface CheckResult {
  audience: number;
  accepted: number;
  rejected: number;
  /** People of whom no record tells what became of their message, or whose record says accepted and is wrong. */
  lost: number;
  /** People who got a campaign again. */
  duplicates: number;
  uncertain: number;
  /** Of these, the ones that the sink had accepted. */
  uncertainDelivered: number;
  /** The sink accepted it and Camp calls it neither accepted nor uncertain. */
  misreported: number;
  sumsOk: boolean;
  /** Empty when all is well; one sentence each. */
  violations: string[];
}

export async function check(input: CheckInput): Promise<CheckResult> {
  const result: CheckResult = {
    audience: 0,
    accepted: 0,
    rejected: 0,
    lost: 0,
    duplicates: 0,
    uncertain: 0,
    uncertainDelivered: 0,
    misreported: 0,
    sumsOk: true,
    violations: [],
  };
  for (const campaign of input.campaigns) {
    const truth = deliveriesOf(input.records, campaign.subject);
    const claims = await readClaims(input.database, campaign.id);
    checkSums(result, campaign, claims, input.audience.length);
    checkRecipients(result, campaign, { truth, claims, audience: input.audience });
  }
  if (result.uncertain > input.uncertainMax)
    result.violations.push(
      `${result.uncertain} messages are uncertain, at most ${input.uncertainMax} may be`,
    );
  return result;
}

/** What Camp says of one campaign. */
interface Claims {
  state: string;
  audience: number;
  counters: Record<string, number>;
  stateOf: Map<string, MessageState>;
}

function readClaims(database: Database, campaignId: string): Promise<Claims> {
  return database.withWorkspace(DEFAULT_WORKSPACE_ID, async (tx) => {
    const [campaign] = await tx.query<{ state: string; audience: number }>(
      sql`SELECT state, audience::float8 AS audience FROM campaign WHERE id = ${campaignId}`,
    );
    if (!campaign) throw new Error(`there is no campaign ${campaignId}`);
    const rows = await tx.query<{ email: string; state: MessageState }>(
      sql`SELECT email, state FROM message WHERE campaign_id = ${campaignId}`,
    );
    const counters = await tx.query<{ state: string; n: number }>(sql`
      SELECT state, sum(n)::float8 AS n FROM campaign_count WHERE campaign_id = ${campaignId} GROUP BY state`);
    return {
      ...campaign,
      counters: Object.fromEntries(counters.map(({ state, n }) => [state, n])),
      stateOf: new Map(rows.map(({ email, state }) => [email, state])),
    };
  });
}

function deliveriesOf(records: SinkRecord[], subject: string): Map<string, number> {
  const deliveries = new Map<string, number>();
  for (const record of records)
    if (record.subject === subject)
      deliveries.set(record.recipient, (deliveries.get(record.recipient) ?? 0) + 1);
  return deliveries;
}

/** Rows, counters and the campaign's own audience must be one number, and the one that was asked for. */
function checkSums(
  result: CheckResult,
  { subject }: CheckedCampaign,
  claims: Claims,
  expected: number,
): void {
  const rows: Record<string, number> = {};
  for (const state of claims.stateOf.values()) rows[state] = (rows[state] ?? 0) + 1;
  const disagree = (what: string, said: number, counted: number) => {
    if (said === counted) return;
    result.sumsOk = false;
    result.violations.push(`${subject}: ${what} is ${said}, but ${counted} are there`);
  };
  disagree('the audience asked for', expected, claims.stateOf.size);
  disagree('campaign.audience', claims.audience, claims.stateOf.size);
  for (const state of new Set([...Object.keys(rows), ...Object.keys(claims.counters)]))
    disagree(`the counter of ${state}`, claims.counters[state] ?? 0, rows[state] ?? 0);
  if (claims.state !== 'finished') result.violations.push(`${subject}: the campaign is ${claims.state}`);
  result.audience += expected;
}

interface Evidence {
  truth: Map<string, number>;
  claims: Claims;
  audience: string[];
}

function checkRecipients(result: CheckResult, campaign: CheckedCampaign, evidence: Evidence): void {
  const { truth, claims, audience } = evidence;
  const shown = new Map<string, number>();
  const violation = (what: string, address: string) => {
    const count = (shown.get(what) ?? 0) + 1;
    shown.set(what, count);
    if (count <= VIOLATIONS_PER_KIND_SHOWN) result.violations.push(`${campaign.subject}: ${address} ${what}`);
  };
  for (const address of new Set([...audience, ...truth.keys(), ...claims.stateOf.keys()])) {
    const state = claims.stateOf.get(address);
    const deliveries = truth.get(address) ?? 0;
    count(result, state, deliveries);
    if (deliveries > 1) violation(`got it ${deliveries} times`, address);
    if (isLost(claims, state, deliveries)) {
      result.lost += 1;
      violation(`is ${state ?? 'not in the campaign'} and never got it`, address);
    }
    if (deliveries > 0 && !explainsDelivery(state)) {
      result.misreported += 1;
      violation(`got it and is ${state ?? 'not in the campaign'}`, address);
    }
  }
}

function count(result: CheckResult, state: MessageState | undefined, deliveries: number): void {
  if (state && ACCEPTED_STATES.includes(state)) result.accepted += 1;
  if (state === 'rejected') result.rejected += 1;
  if (state === 'uncertain') result.uncertain += 1;
  if (state === 'uncertain' && deliveries > 0) result.uncertainDelivered += 1;
  result.duplicates += Math.max(0, deliveries - 1);
}

/** A message that waits explains why it was not delivered, but not once its campaign has finished. */
function isLost(claims: Claims, state: MessageState | undefined, deliveries: number): boolean {
  if (deliveries > 0) return false;
  if (state === undefined || ACCEPTED_STATES.includes(state)) return true;
  return claims.state === 'finished' && isUnfinished(state);
}

function explainsDelivery(state: MessageState | undefined): boolean {
  return state === 'uncertain' || (state !== undefined && ACCEPTED_STATES.includes(state));
}

function isUnfinished(state: MessageState): boolean {
  return (UNFINISHED_STATES as readonly MessageState[]).includes(state);
}
