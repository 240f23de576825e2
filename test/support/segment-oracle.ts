/** What the rules of a segment mean, in plain TypeScript: what the compiled SQL is held against. */
import {
  type Condition,
  type DateTest,
  ENGAGEMENT_EVENTS,
  type NumberTest,
  type TextTest,
} from '../../server/audience/segment-conditions.ts';
import type { Rule } from '../../server/audience/segment-rules.ts';

export interface Person {
  id: string;
  email: string;
  name: string | null;
  attributes: Record<string, unknown>;
  tags: string[];
  createdAt: Date;
  /** By list. */
  subscriptions: Record<string, string>;
  events: { kind: string; at: Date; campaignId: string }[];
}

const DAY_MS = 86_400_000;

export function holds(rule: Rule, person: Person, at: Date): boolean {
  if ('not' in rule) return !holds(rule.not, person, at);
  if ('all' in rule) return rule.all.every((part) => holds(part, person, at));
  if ('any' in rule) return rule.any.some((part) => holds(part, person, at));
  return conditionHolds(rule, person, at);
}

function conditionHolds(condition: Condition, person: Person, at: Date): boolean {
  switch (condition.field) {
    case 'attribute':
      return attributeHolds(condition, person.attributes[condition.name], at);
    case 'email':
      return textHolds(condition, person.email);
    case 'email_domain':
      return textHolds(condition, person.email.split('@')[1] ?? '');
    case 'name':
      return textHolds(condition, person.name);
    case 'signed_up':
      return dateHolds(condition, person.createdAt, at);
    case 'tag':
      return person.tags.includes(condition.tag);
    case 'list': {
      const status = person.subscriptions[condition.list_id];
      const { status: wanted = 'subscribed' } = condition;
      return status !== undefined && (wanted === 'any' || wanted === status);
    }
    case 'engagement': {
      const kinds: readonly string[] = ENGAGEMENT_EVENTS[condition.act];
      const since =
        condition.in_last_days === undefined ? -Infinity : at.getTime() - condition.in_last_days * DAY_MS;
      return person.events.some(
        (event) =>
          kinds.includes(event.kind) &&
          event.at.getTime() >= since &&
          event.at <= at &&
          (condition.campaign_id === undefined || condition.campaign_id === event.campaignId),
      );
    }
  }
}

function attributeHolds(
  condition: Extract<Condition, { field: 'attribute' }>,
  value: unknown,
  at: Date,
): boolean {
  switch (condition.type) {
    case 'text':
      return textHolds(condition, textOf(value));
    case 'number':
      return numberHolds(condition, numberOf(value));
    case 'boolean': {
      const read = booleanOf(value);
      return read !== null && (condition.op === 'is_set' || read === condition.value);
    }
    case 'date':
      return dateHolds(condition, dateOf(value), at);
  }
}

function textOf(value: unknown): string | null {
  return ['string', 'number', 'boolean'].includes(typeof value) ? String(value) : null;
}

function numberOf(value: unknown): number | null {
  if (typeof value === 'number') return value;
  return typeof value === 'string' && /^ *[+-]?[0-9]{1,20}(\.[0-9]{1,20})? *$/.test(value)
    ? Number(value)
    : null;
}

function booleanOf(value: unknown): boolean | null {
  const text = textOf(value)?.toLowerCase() ?? '';
  if (['true', 'yes', '1'].includes(text)) return true;
  return ['false', 'no', '0'].includes(text) ? false : null;
}

function dateOf(value: unknown): Date | null {
  if (typeof value !== 'string') return null;
  const [, day = '', time = '00:00', offset = 'Z'] =
    /^([12]\d{3}-\d\d-\d\d)(?:[T ]((?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,6})?)?)(Z|[+-](?:0\d|1[0-4]):[0-5]\d)?)?$/.exec(
      value,
    ) ?? [];
  const midnight = new Date(`${day}T00:00:00Z`);
  const isInCalendar = !Number.isNaN(midnight.getTime()) && midnight.toISOString().startsWith(day);
  return day !== '' && isInCalendar ? new Date(`${day}T${time}${offset}`) : null;
}

function textHolds(test: TextTest, value: string | null): boolean {
  if (value === null) return false;
  const text = value.toLowerCase();
  switch (test.op) {
    case 'equals':
      return text === test.value.toLowerCase();
    case 'contains':
      return text.includes(test.value.toLowerCase());
    case 'starts_with':
      return text.startsWith(test.value.toLowerCase());
    case 'ends_with':
      return text.endsWith(test.value.toLowerCase());
    case 'one_of':
      return test.values.some((word) => text === word.toLowerCase());
    case 'is_set':
      return text !== '';
  }
}

function numberHolds(test: NumberTest, value: number | null): boolean {
  if (value === null) return false;
  switch (test.op) {
    case 'equals':
      return value === test.value;
    case 'less_than':
      return value < test.value;
    case 'at_most':
      return value <= test.value;
    case 'greater_than':
      return value > test.value;
    case 'at_least':
      return value >= test.value;
    case 'between':
      return value >= test.from && value <= test.to;
    case 'is_set':
      return true;
  }
}

function dateHolds(test: DateTest, value: Date | null, at: Date): boolean {
  if (value === null) return false;
  const ms = value.getTime();
  switch (test.op) {
    case 'on':
      return isFrom(ms, test.date) && !isAfter(ms, test.date);
    case 'before':
      return !isFrom(ms, test.date);
    case 'after':
      return isAfter(ms, test.date);
    case 'between':
      return isFrom(ms, test.from) && !isAfter(ms, test.to);
    case 'in_last':
      return ms >= at.getTime() - test.days * DAY_MS && value <= at;
    case 'in_next':
      return value >= at && ms <= at.getTime() + test.days * DAY_MS;
    case 'is_set':
      return true;
  }
}

function isFrom(ms: number, day: string): boolean {
  return ms >= Date.parse(`${day}T00:00:00Z`);
}

function isAfter(ms: number, day: string): boolean {
  return ms >= Date.parse(`${day}T00:00:00Z`) + DAY_MS;
}
