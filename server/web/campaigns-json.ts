/** A campaign as JSON: as a line of a list, as a draft that can be changed, and the plan by which it is sent. */
import Type, { type Static } from 'typebox';
import { PER_HOUR_MAX, type SendPlan, STAGES_MAX } from '../campaigns/plan.ts';
import type { CampaignDetail, CampaignRow } from '../campaigns/queries.ts';
import { CAMPAIGN_STATES } from '../campaigns/states.ts';
import { Id, nullable, oneOf, strict, Time } from './schemas.ts';
import { TEMPLATE_CHARS_MAX } from './template-problems.ts';
import { readTime } from './time.ts';

const PARTS_MAX = 100;
const HOLD_SECONDS_MAX = 30 * 86_400;
const GIVE_UP_SECONDS_MAX = 30 * 86_400;

const summaryFields = {
  id: Id,
  name: Type.String(),
  state: oneOf(CAMPAIGN_STATES),
  recipients: Type.Integer({ minimum: 0, description: 'Who has a message by now, sent or not.' }),
  created_at: Time,
  scheduled_at: nullable(Time),
  started_at: nullable(Time),
  finished_at: nullable(Time),
  failure: nullable(Type.String({ description: 'Why it is paused or failed.' })),
};

export const CampaignSummarySchema = strict(summaryFields, { $id: 'CampaignSummary' });

const Ids = Type.Array(Id, { maxItems: PARTS_MAX, uniqueItems: true });

const AudienceSchema = strict(
  { list_ids: Ids, segment_ids: Ids, exclude: strict({ list_ids: Ids, segment_ids: Ids }) },
  { $id: 'CampaignAudience', description: 'On a list or in a segment, and not in what is excluded.' },
);

const Share = nullable(Type.Number({ exclusiveMinimum: 0, maximum: 1, description: 'Null: not watched.' }));

const WindowText = Type.String({ minLength: 1, maxLength: 500, description: 'Mon-Fri 09:00-17:00' });

const Timezone = Type.String({ minLength: 1, maxLength: 100, description: 'An IANA name: Europe/Berlin' });

const PerHour = Type.Integer({ minimum: 1, maximum: PER_HOUR_MAX });

export const CampaignSchema = strict(
  {
    ...summaryFields,
    version: Type.Integer({ minimum: 1 }),
    from: strict({ email: Type.String(), name: nullable(Type.String()) }),
    reply_to: nullable(Type.String()),
    audience: AudienceSchema,
    template: strict({ name: Type.String(), source: Type.String() }),
    postal_address: nullable(Type.String()),
    give_up_seconds: Type.Integer({ minimum: 1 }),
  },
  { $id: 'Campaign' },
);

export const Name = Type.String({
  minLength: 1,
  maxLength: 200,
  description: 'For you; recipients do not see it.',
});

/** What a draft says; a change has some of it. */
export const draftFields = {
  from: strict({
    email: Type.String({ minLength: 3, maxLength: 320 }),
    name: Type.Optional(nullable(Type.String({ minLength: 1, maxLength: 200 }))),
  }),
  reply_to: Type.Optional(nullable(Type.String({ minLength: 3, maxLength: 320 }))),
  audience: Type.Optional(
    strict({
      list_ids: Type.Optional(Ids),
      segment_ids: Type.Optional(Ids),
      exclude: Type.Optional(strict({ list_ids: Type.Optional(Ids), segment_ids: Type.Optional(Ids) })),
    }),
  ),
  template_id: Type.Optional(Type.String({ format: 'uuid', description: 'It is copied; or `template`.' })),
  template: Type.Optional(
    strict({
      name: Type.String({ minLength: 1, maxLength: 200 }),
      source: Type.String({ minLength: 1, maxLength: TEMPLATE_CHARS_MAX }),
    }),
  ),
  postal_address: Type.Optional(
    nullable(Type.String({ minLength: 1, maxLength: 500, description: 'What {{ postal_address }} prints.' })),
  ),
  give_up_seconds: Type.Optional(
    Type.Integer({
      minimum: 60,
      maximum: GIVE_UP_SECONDS_MAX,
      description: 'A message is tried for so long.',
    }),
  ),
};

export const planFields = {
  at: Type.Optional(Type.String({ format: 'date-time', description: 'Without it: now.' })),
  local_at: Type.Optional(
    Type.String({ maxLength: 16, description: '2030-01-31T09:00, by each recipient’s own clock.' }),
  ),
  timezone: Type.Optional(Timezone),
  window: Type.Optional(WindowText),
  stages: Type.Optional(
    Type.Array(Type.Number({ exclusiveMinimum: 0, maximum: 100 }), {
      minItems: 1,
      maxItems: STAGES_MAX,
      description: 'Percent of the audience, growing up to 100.',
    }),
  ),
  hold_seconds: Type.Optional(
    nullable(
      Type.Integer({
        minimum: 0,
        maximum: HOLD_SECONDS_MAX,
        description: 'Between two stages; null: until somebody continues it.',
      }),
    ),
  ),
  halt_above: Type.Optional(
    strict({
      bounces: Type.Optional(Share),
      complaints: Type.Optional(Share),
      deferrals: Type.Optional(Share),
    }),
  ),
  max_per_hour: Type.Optional(PerHour),
};

export const PlanSchema = strict(
  {
    scheduled_at: nullable(Time),
    local_at: nullable(Type.String()),
    timezone: Type.String(),
    window: nullable(Type.String()),
    stages: Type.Array(Type.Number()),
    hold_seconds: nullable(Type.Integer()),
    halt_above: strict({ bounces: Share, complaints: Share, deferrals: Share }),
    max_per_hour: nullable(Type.Integer()),
  },
  { $id: 'SendPlan' },
);

export const windowBody = strict({ window: nullable(WindowText), timezone: Type.Optional(Timezone) });

export const paceBody = strict({
  max_per_hour: nullable(
    Type.Integer({
      minimum: 1,
      maximum: PER_HOUR_MAX,
      description: 'By all workers together; null: as fast as can be.',
    }),
  ),
});

export function summaryOf(row: CampaignRow): Static<typeof CampaignSummarySchema> {
  return {
    id: row.id,
    name: row.name,
    state: row.state,
    recipients: row.audience,
    created_at: row.createdAt.toISOString(),
    scheduled_at: row.scheduledAt?.toISOString() ?? null,
    started_at: row.startedAt?.toISOString() ?? null,
    finished_at: row.finishedAt?.toISOString() ?? null,
    failure: row.failure,
  };
}

export function campaignJson(row: CampaignDetail): Static<typeof CampaignSchema> {
  return {
    ...summaryOf(row),
    version: row.version,
    from: { email: row.fromEmail, name: row.fromName },
    reply_to: row.replyTo,
    audience: {
      list_ids: [...row.listIds],
      segment_ids: [...row.segmentIds],
      exclude: { list_ids: [...row.excludedListIds], segment_ids: [...row.excludedSegmentIds] },
    },
    template: { name: row.templateName, source: row.templateBody },
    postal_address: row.postalAddress,
    give_up_seconds: row.giveUpSeconds,
  };
}

type PlanBody = Static<Type.TObject<typeof planFields>>;

export function planOf(body: PlanBody): SendPlan {
  return {
    at: body.at === undefined ? undefined : readTime(body.at, '/body/at'),
    atLocal: body.local_at,
    timezone: body.timezone,
    window: body.window,
    stages: body.stages,
    holdSeconds: body.hold_seconds,
    haltLimits: body.halt_above,
    maxPerHour: body.max_per_hour,
  };
}
