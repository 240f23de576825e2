/**
 * The rules of a segment as one SQL condition on a contact `c`.
 *
 * Every value is a parameter, names of attributes too; the text of the statement depends on the shape of the rules only.
 * Invariants: the condition is true or false and never NULL, so that NOT means what it says; and it never fails, whatever
 * the contact holds: a text is cast only behind a CASE that has looked at it.
 *
 * A question to another table is a scalar sub-select with LIMIT 1, which the planner can only run as one index probe for
 * each contact that the cheaper conditions before it let through, and so never as a pass over that table.
 */
import { type Sql, sql } from '../kernel/sql.ts';
import {
  type AttributeCondition,
  type Condition,
  type DateTest,
  ENGAGEMENT_EVENTS,
  type NumberTest,
  type TextTest,
} from './segment-conditions.ts';
import { partsOf, type Rule } from './segment-rules.ts';

export interface RuleContext {
  workspaceId: string;
  /** What "the last 30 days" end at. */
  at: Date;
}

const DAY_MS = 86_400_000;

export function ruleSql(rule: Rule, context: RuleContext): Sql {
  if ('not' in rule) return sql`NOT ${ruleSql(rule.not, context)}`;
  if ('field' in rule) return sql`coalesce(${conditionSql(rule, context)}, false)`;
  const [word, rules] = partsOf(rule);
  const parts = rules.map((part) => ruleSql(part, context));
  return sql`(${joined(parts, word === 'all' ? sql` AND ` : sql` OR `)})`;
}

/** True when any of them holds; of none, false. */
export function anyRuleSql(rules: readonly Rule[], context: RuleContext): Sql {
  if (rules.length === 0) return sql`false`;
  const parts = rules.map((rule) => ruleSql(rule, context));
  return sql`(${joined(parts, sql` OR `)})`;
}

function joined(parts: readonly Sql[], between: Sql): Sql {
  return parts.reduce((before, next) => sql`${before}${between}${next}`);
}

function conditionSql(condition: Condition, context: RuleContext): Sql {
  switch (condition.field) {
    case 'attribute':
      return attributeSql(condition, context);
    case 'email':
      return textSql(sql`c.email`, condition);
    case 'email_domain':
      return textSql(sql`split_part(c.email, '@', 2)`, condition);
    case 'name':
      return textSql(sql`c.name`, condition);
    case 'signed_up':
      return dateSql(sql`c.created_at`, condition, context);
    case 'tag':
      return sql`${condition.tag}::text = ANY (c.tags)`;
    case 'list': {
      const { status = 'subscribed' } = condition;
      const wanted = status === 'any' ? sql`` : sql` AND status = ${status}::text`;
      return sql`(SELECT true FROM subscription WHERE workspace_id = ${context.workspaceId}
        AND list_id = ${condition.list_id} AND contact_id = c.id${wanted} LIMIT 1)`;
    }
    case 'engagement':
      return sql`(SELECT true ${engagementSql(condition, context)} LIMIT 1)`;
  }
}

type Engagement = Extract<Condition, { field: 'engagement' }>;

/** Index: event_of_contact; of one campaign, event_of_message. A window reads the partitions of its months only. */
function engagementSql(
  { act, in_last_days, campaign_id }: Engagement,
  { workspaceId, at }: RuleContext,
): Sql {
  const since =
    in_last_days === undefined ? sql`` : sql` AND at >= ${daysFrom(at, -in_last_days)}::timestamptz`;
  const ofCampaign = campaign_id === undefined ? sql`` : sql` AND campaign_id = ${campaign_id}`;
  return sql`FROM event WHERE workspace_id = ${workspaceId} AND contact_id = c.id
    AND kind = ANY (${[...ENGAGEMENT_EVENTS[act]]}::text[])${since} AND at <= ${at}::timestamptz${ofCampaign}`;
}

function attributeSql(condition: AttributeCondition, context: RuleContext): Sql {
  const value = sql`(c.attributes -> ${condition.name}::text)`;
  switch (condition.type) {
    case 'text':
      return textSql(attributeText(value), condition);
    case 'number':
      return numberSql(attributeNumber(value), condition);
    case 'boolean':
      if (condition.op === 'is_set') return sql`${attributeBoolean(value)} IS NOT NULL`;
      return sql`${attributeBoolean(value)} = ${condition.value}::boolean`;
    case 'date':
      return dateSql(attributeDate(value), condition, context);
  }
}

function textSql(value: Sql, test: TextTest): Sql {
  const wanted = 'value' in test ? sql`lower(${test.value}::text)` : sql``;
  switch (test.op) {
    case 'equals':
      return sql`lower(${value}) = ${wanted}`;
    case 'contains':
      return sql`strpos(lower(${value}), ${wanted}) > 0`;
    case 'starts_with':
      return sql`starts_with(lower(${value}), ${wanted})`;
    case 'ends_with':
      return sql`right(lower(${value}), char_length(${wanted})) = ${wanted}`;
    case 'one_of':
      return sql`lower(${value}) = ANY (ARRAY(SELECT lower(word) FROM unnest(${test.values}::text[]) word))`;
    case 'is_set':
      return sql`${value} <> ''`;
  }
}

function numberSql(value: Sql, test: NumberTest): Sql {
  const wanted = 'value' in test ? sql`${String(test.value)}::numeric` : sql``;
  switch (test.op) {
    case 'equals':
      return sql`${value} = ${wanted}`;
    case 'less_than':
      return sql`${value} < ${wanted}`;
    case 'at_most':
      return sql`${value} <= ${wanted}`;
    case 'greater_than':
      return sql`${value} > ${wanted}`;
    case 'at_least':
      return sql`${value} >= ${wanted}`;
    case 'between':
      return sql`${value} BETWEEN ${String(test.from)}::numeric AND ${String(test.to)}::numeric`;
    case 'is_set':
      return sql`${value} IS NOT NULL`;
  }
}

function dateSql(value: Sql, test: DateTest, { at }: RuleContext): Sql {
  switch (test.op) {
    case 'on':
      return within(value, dayOf(test.date), dayAfter(test.date));
    case 'before':
      return sql`${value} < ${dayOf(test.date)}::timestamptz`;
    case 'after':
      return sql`${value} >= ${dayAfter(test.date)}::timestamptz`;
    case 'between':
      return within(value, dayOf(test.from), dayAfter(test.to));
    case 'in_last':
      return sql`${value} BETWEEN ${daysFrom(at, -test.days)}::timestamptz AND ${at}::timestamptz`;
    case 'in_next':
      return sql`${value} BETWEEN ${at}::timestamptz AND ${daysFrom(at, test.days)}::timestamptz`;
    case 'is_set':
      return sql`${value} IS NOT NULL`;
  }
}

function within(value: Sql, from: Date, before: Date): Sql {
  return sql`(${value} >= ${from}::timestamptz AND ${value} < ${before}::timestamptz)`;
}

function dayOf(day: string): Date {
  return new Date(`${day}T00:00:00Z`);
}

function dayAfter(day: string): Date {
  return daysFrom(dayOf(day), 1);
}

function daysFrom(at: Date, days: number): Date {
  return new Date(at.getTime() + days * DAY_MS);
}

function attributeText(value: Sql): Sql {
  return sql`CASE WHEN jsonb_typeof(${value}) IN ('string', 'number', 'boolean') THEN ${value} #>> '{}' END`;
}

/** What a cast surely takes: classes such as \\d and \\s match other characters too, as the locale says. */
const NUMBER = '^ *[+-]?[0-9]{1,20}([.][0-9]{1,20})? *$';

function attributeNumber(value: Sql): Sql {
  return sql`CASE jsonb_typeof(${value}) WHEN 'number' THEN (${value} #>> '{}')::numeric
    WHEN 'string' THEN CASE WHEN ${value} #>> '{}' ~ ${NUMBER} THEN (${value} #>> '{}')::numeric END END`;
}

function attributeBoolean(value: Sql): Sql {
  return sql`CASE lower(${attributeText(value)}) WHEN 'true' THEN true WHEN 'yes' THEN true WHEN '1' THEN true
    WHEN 'false' THEN false WHEN 'no' THEN false WHEN '0' THEN false END`;
}

/** Days that are in the calendar: a cast of 30 February would fail, and Postgres 15 cannot be asked before. */
const DAY = [
  '[12][0-9]{3}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))',
  '[12][0-9](0[48]|[2468][048]|[13579][26])-02-29',
  '(1[26]|2[048])00-02-29',
].join('|');
const TIME = '([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]{1,6})?)?';
const OFFSET = 'Z|[+-](0[0-9]|1[0-4]):[0-5][0-9]';
const DATE = `^(${DAY})$`;
const DATE_TIME = `^(${DAY})[T ]${TIME}$`;
const DATE_TIME_OFFSET = `^(${DAY})[T ]${TIME}(${OFFSET})$`;

/** Without an offset it is UTC: the session's timezone decides nothing. */
function attributeDate(value: Sql): Sql {
  return sql`CASE WHEN jsonb_typeof(${value}) = 'string' THEN
    CASE WHEN ${value} #>> '{}' ~ ${DATE} THEN (${value} #>> '{}' || ' 00:00:00Z')::timestamptz
      WHEN ${value} #>> '{}' ~ ${DATE_TIME} THEN (${value} #>> '{}' || 'Z')::timestamptz
      WHEN ${value} #>> '{}' ~ ${DATE_TIME_OFFSET} THEN (${value} #>> '{}')::timestamptz END END`;
}

/** What the contact has where the condition looks, as JSON; of an engagement, when it was last, however long ago. */
export function valueSql(condition: Condition, context: RuleContext): Sql {
  switch (condition.field) {
    case 'attribute':
      return sql`c.attributes -> ${condition.name}::text`;
    case 'email':
      return sql`to_jsonb(c.email)`;
    case 'email_domain':
      return sql`to_jsonb(split_part(c.email, '@', 2))`;
    case 'name':
      return sql`to_jsonb(c.name)`;
    case 'signed_up':
      return sql`to_jsonb(to_char(c.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))`;
    case 'tag':
      return sql`to_jsonb(c.tags)`;
    case 'list':
      return sql`(SELECT to_jsonb(status) FROM subscription WHERE workspace_id = ${context.workspaceId}
        AND list_id = ${condition.list_id} AND contact_id = c.id LIMIT 1)`;
    case 'engagement':
      return sql`(SELECT to_jsonb(to_char(max(at) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))
        ${engagementSql({ field: 'engagement', act: condition.act, ...ofCampaign(condition) }, context)})`;
  }
}

function ofCampaign({ campaign_id }: Engagement): { campaign_id?: string } {
  return campaign_id === undefined ? {} : { campaign_id };
}
