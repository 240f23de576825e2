/** Rules, and single conditions, in plain English: what a person reads before they send, and in "why is this person in?". */
import type { Condition, DateTest, EngagementAct, NumberTest, TextTest } from './segment-conditions.ts';
import { type Group, partsOf, type Rule } from './segment-rules.ts';

/** Of the lists and campaigns that rules name, by id. */
export type Names = ReadonlyMap<string, string>;

export function sentenceOfRules(rules: Group, names: Names): string {
  const text = groupText(rules, names);
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

/** `negated`: that it does not hold. */
export function sentenceOf(condition: Condition, names: Names, negated: boolean): string {
  const { subject, verb, rest } = partsOfSentence(condition, names);
  return [subject, (negated ? NEGATIONS[verb] : undefined) ?? verb, rest].filter(Boolean).join(' ');
}

function groupText(group: Group, names: Names): string {
  const [word, rules] = partsOf(group);
  const texts = rules.map((rule) => {
    const text = ruleText(rule, names);
    return rules.length > 1 && isGroup(rule) ? `(${text})` : text;
  });
  return texts.join(word === 'all' ? ' and ' : ' or ');
}

function ruleText(rule: Rule, names: Names): string {
  if ('field' in rule) return sentenceOf(rule, names, false);
  if (!('not' in rule)) return groupText(rule, names);
  return 'field' in rule.not
    ? sentenceOf(rule.not, names, true)
    : `it is not so that (${groupText(rule.not, names)})`;
}

function isGroup(rule: Rule): boolean {
  return 'all' in rule || 'any' in rule;
}

const NEGATIONS = {
  is: 'is not',
  contains: 'does not contain',
  starts: 'does not start',
  ends: 'does not end',
  has: 'does not have',
  was: 'was not',
  opened: 'did not open',
  clicked: 'did not click',
  bounced: 'did not bounce',
  complained: 'did not complain',
} as const;

interface Parts {
  subject: string;
  verb: keyof typeof NEGATIONS;
  rest: string;
}

const SUBJECTS = {
  email: 'the address',
  email_domain: 'the domain of the address',
  name: 'the name',
  signed_up: 'the day of sign-up',
} as const;

function partsOfSentence(condition: Condition, names: Names): Parts {
  switch (condition.field) {
    case 'attribute': {
      const subject = `the attribute ${quoted(condition.name)}`;
      if (condition.op === 'is_set') return { subject, verb: 'is', rest: SET[condition.type] };
      return { subject, ...attributeParts(condition) };
    }
    case 'email':
    case 'email_domain':
    case 'name':
      return { subject: SUBJECTS[condition.field], ...textParts(condition) };
    case 'signed_up':
      return { subject: SUBJECTS.signed_up, ...dateParts(condition) };
    case 'tag':
      return { subject: 'the contact', verb: 'has', rest: `the tag ${quoted(condition.tag)}` };
    case 'list': {
      const { status = 'subscribed' } = condition;
      const list = `the list ${nameOf(condition.list_id, names)}`;
      return { subject: 'the contact', verb: 'is', rest: `${LIST_WORDS[status]} ${list}` };
    }
    case 'engagement':
      return { subject: ENGAGEMENT[condition.act].subject, ...engagementParts(condition, names) };
  }
}

const SET = { text: 'set', number: 'a number', boolean: 'yes or no', date: 'a date' } as const;

const LIST_WORDS = {
  subscribed: 'subscribed to',
  unconfirmed: 'not yet confirmed on',
  unsubscribed: 'unsubscribed from',
  any: 'known to',
} as const;

type Tested = Omit<Parts, 'subject'>;

function attributeParts(condition: Extract<Condition, { field: 'attribute' }>): Tested {
  switch (condition.type) {
    case 'text':
      return textParts(condition);
    case 'number':
      return { verb: 'is', rest: numberText(condition) };
    case 'boolean':
      return { verb: 'is', rest: condition.op === 'is' && condition.value ? 'yes' : 'no' };
    case 'date':
      return dateParts(condition);
  }
}

function textParts(test: TextTest): Tested {
  switch (test.op) {
    case 'equals':
      return { verb: 'is', rest: quoted(test.value) };
    case 'contains':
      return { verb: 'contains', rest: quoted(test.value) };
    case 'starts_with':
      return { verb: 'starts', rest: `with ${quoted(test.value)}` };
    case 'ends_with':
      return { verb: 'ends', rest: `with ${quoted(test.value)}` };
    case 'one_of':
      return { verb: 'is', rest: `one of ${test.values.map(quoted).join(', ')}` };
    case 'is_set':
      return { verb: 'is', rest: 'set' };
  }
}

function numberText(test: NumberTest): string {
  switch (test.op) {
    case 'equals':
      return `${test.value}`;
    case 'less_than':
      return `less than ${test.value}`;
    case 'at_most':
      return `at most ${test.value}`;
    case 'greater_than':
      return `greater than ${test.value}`;
    case 'at_least':
      return `at least ${test.value}`;
    case 'between':
      return `between ${test.from} and ${test.to}`;
    case 'is_set':
      return 'a number';
  }
}

function dateParts(test: DateTest): Tested {
  switch (test.op) {
    case 'on':
      return { verb: 'is', rest: test.date };
    case 'before':
    case 'after':
      return { verb: 'is', rest: `${test.op} ${test.date}` };
    case 'between':
      return { verb: 'is', rest: `from ${test.from} to ${test.to}` };
    case 'in_last':
      return { verb: 'is', rest: `in the last ${days(test.days)}` };
    case 'in_next':
      return { verb: 'is', rest: `in the next ${days(test.days)}` };
    case 'is_set':
      return { verb: 'is', rest: 'a date' };
  }
}

const ENGAGEMENT = {
  sent: { subject: 'the contact', verb: 'was', rest: 'sent' },
  accepted: { subject: 'mail to the contact', verb: 'was', rest: 'accepted' },
  opened: { subject: 'the contact', verb: 'opened', rest: '' },
  clicked: { subject: 'the contact', verb: 'clicked', rest: 'in' },
  bounced: { subject: 'mail to the contact', verb: 'bounced', rest: '' },
  complained: { subject: 'the contact', verb: 'complained', rest: 'about' },
} as const satisfies Record<EngagementAct, Parts>;

type Engagement = Extract<Condition, { field: 'engagement' }>;

function engagementParts({ act, in_last_days, campaign_id }: Engagement, names: Names): Tested {
  const { verb, rest } = ENGAGEMENT[act];
  const isOurs = act === 'accepted' || act === 'bounced';
  const campaign = campaign_id === undefined ? '' : `the campaign ${nameOf(campaign_id, names)}`;
  const what = isOurs ? campaign && `of ${campaign}` : campaign || 'any mail';
  const when = in_last_days === undefined ? '' : `in the last ${days(in_last_days)}`;
  return { verb, rest: [rest, what, when].filter(Boolean).join(' ') };
}

function nameOf(id: string, names: Names): string {
  const name = names.get(id);
  return name === undefined ? `that was deleted (${id})` : quoted(name);
}

function quoted(text: string): string {
  return `"${text}"`;
}

function days(count: number): string {
  return count === 1 ? 'day' : `${count} days`;
}
