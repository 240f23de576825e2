/** What a campaign is doing and what would stop it: where its messages are, its plan, its checklist, whom it goes to. */
import Type, { type Static } from 'typebox';
import { estimateAudience } from '../audience/estimate.ts';
import { checkBeforeSending } from '../campaigns/checklist.ts';
import { findDetail } from '../campaigns/draft.ts';
import { findPlan, type KeptPlan } from '../campaigns/plan.ts';
import { type CampaignStatus, statusOf } from '../campaigns/status.ts';
import type { Tx } from '../kernel/database.ts';
import { MESSAGE_STATES } from '../queue/states.ts';
import { environmentRoute, type Route, routePlanOf } from '../senders/routes.ts';
import { CampaignSummarySchema, PlanSchema, summaryOf } from './campaigns-json.ts';
import { AUDIENCE_MS_MAX, surroundingsOf } from './campaigns-verbs.ts';
import { endpoint, ok } from './endpoint.ts';
import { Id, nullable, oneOf, strict, Time } from './schemas.ts';

const Count = Type.Integer({ minimum: 0 });

export const CountsSchema = strict(
  Object.fromEntries(MESSAGE_STATES.map((state) => [state, Count])) as Record<
    (typeof MESSAGE_STATES)[number],
    typeof Count
  >,
  { $id: 'MessageCounts', description: 'By state; they add up to the recipients.' },
);

const StatusSchema = strict(
  {
    campaign: CampaignSummarySchema,
    counts: CountsSchema,
    stage: nullable(strict({ number: Type.Integer({ minimum: 1 }), stages: Type.Array(Type.Number()) })),
    waits: nullable(
      strict({
        for: Type.String(),
        until: nullable(Type.String({ format: 'date-time', description: 'Null: until somebody says so.' })),
      }),
    ),
    max_per_hour: nullable(Type.Integer()),
    routes_in_trouble: Type.Array(
      strict({
        name: Type.String(),
        failures: Type.Integer(),
        paused_until: nullable(Time),
        reason: nullable(Type.String()),
      }),
    ),
    overrides: Type.Array(
      strict({
        at: Time,
        by: Type.String(),
        items: Type.Array(strict({ id: Type.String(), sentence: Type.String() })),
      }),
      { description: 'Who sent it against the checklist.' },
    ),
    replies: Type.Array(
      strict({
        at: Time,
        contact_id: Id,
        outcome: Type.String(),
        attempt: Type.Integer(),
        reply: nullable(Type.String()),
        rule: nullable(Type.String()),
        phase: Type.String({ description: 'What it was an answer to.' }),
        mx_host: nullable(Type.String({ description: 'Null: a relay.' })),
      }),
      { description: 'Refusals, the latest first.' },
    ),
    breakdown: nullable(
      strict({
        as_of: Time,
        destinations: Type.Array(
          strict({
            name: Type.String({ description: 'A provider, a site, or of mail through a relay a domain.' }),
            messages: Count,
            counts: Type.Record(Type.String(), Count),
          }),
        ),
        refusals: Type.Array(
          strict({
            outcome: Type.String(),
            rule: nullable(Type.String()),
            replies: Count,
            latest_at: Time,
            example: nullable(Type.String()),
          }),
        ),
      }),
    ),
  },
  { $id: 'CampaignStatus' },
);

export const status = endpoint({
  summary: 'Where a campaign’s messages are',
  description:
    'Counters are exact at every instant; the breakdown is added up every few seconds, and says when.',
  scope: 'campaigns:read',
  idempotency: 'none',
  params: { id: Id },
  responses: { 200: StatusSchema },
  async handle({ params, workspaceId }, tx) {
    return ok(statusJson(await statusOf(tx, { workspaceId, campaignId: params.id })));
  },
});

export const checklist = endpoint({
  summary: 'What would make providers refuse its mail',
  description: 'As a send looks at it. A rehearsal leads to a test server, and a send then asks nothing.',
  scope: 'campaigns:read',
  idempotency: 'none',
  load: 'bulk',
  deadlineMs: AUDIENCE_MS_MAX,
  params: { id: Id },
  problems: ['refused'],
  responses: {
    200: strict(
      {
        verdict: oneOf(['green', 'amber', 'red']),
        rehearsal: Type.Boolean(),
        items: Type.Array(
          strict({
            id: Type.String({ description: 'Stable: dmarc, postal-address.' }),
            verdict: oneOf(['green', 'amber', 'red']),
            sentence: Type.String(),
            fix: nullable(Type.String()),
          }),
        ),
      },
      { $id: 'Checklist' },
    ),
  },
  async run(request) {
    const of = { workspaceId: request.workspaceId, campaignId: request.params.id };
    const { verdict, items, isRehearsal } = await checkBeforeSending(surroundingsOf(request), of);
    return ok({ verdict, rehearsal: isRehearsal, items });
  },
});

export const plan = endpoint({
  summary: 'When, in which stages, how fast and by which ways it goes out',
  scope: 'campaigns:read',
  idempotency: 'none',
  params: { id: Id },
  responses: {
    200: strict(
      {
        plan: PlanSchema,
        levels: Type.Array(
          Type.Array(
            strict({
              kind: oneOf(['relay', 'direct']),
              name: Type.String({ description: 'Of the relay, or of the pool of addresses.' }),
              weight: Type.Number(),
            }),
          ),
          {
            description:
              'By weight within a level; the next one only while nothing of the one before is usable.',
          },
        ),
        problems: Type.Array(Type.String()),
      },
      { $id: 'CampaignPlan' },
    ),
  },
  async handle({ params, workspaceId, services }, tx) {
    const of = { workspaceId, campaignId: params.id };
    const { fromEmail } = await findDetail(tx, of);
    const fromDomain = fromEmail.slice(fromEmail.lastIndexOf('@') + 1).toLowerCase();
    const fallback = environmentRoute(services.config);
    const routes = await routePlanOf(tx, services.secrets, workspaceId, fromDomain, fallback);
    return ok({
      plan: planJson(await findPlan(tx, of)),
      levels: routes.levels.map((ways) => ways.map(wayJson)),
      problems: [...routes.problems],
    });
  },
});

export const audience = endpoint({
  summary: 'Whom it would go to if it began now',
  scope: 'campaigns:read',
  idempotency: 'none',
  load: 'bulk',
  deadlineMs: AUDIENCE_MS_MAX,
  params: { id: Id },
  problems: ['refused'],
  responses: {
    200: strict(
      {
        matched: Type.Integer({ minimum: 0, description: 'Of each list and each segment, added up.' }),
        duplicates: Type.Integer({
          minimum: 0,
          description: 'Of them, those whom another one had brought already.',
        }),
        excluded: Type.Integer({ minimum: 0, description: 'Of the people, those who are taken out.' }),
        suppressed: Type.Integer({
          minimum: 0,
          description: 'Of the rest, those who get no mail of this workspace.',
        }),
        recipients: Type.Integer({ minimum: 0, description: 'Those who would get it.' }),
        as_of: Time,
      },
      { $id: 'AudienceEstimate' },
    ),
  },
  async run({ params, workspaceId, services, scope }) {
    const look = async (tx: Tx) => {
      const campaign = await findDetail(tx, { workspaceId, campaignId: params.id });
      return estimateAudience(tx, workspaceId, campaign);
    };
    const { asOf, ...counts } = await services.database.readWorkspace(workspaceId, look, scope);
    return ok({ ...counts, as_of: asOf.toISOString() });
  },
});

function statusJson(status: CampaignStatus): Static<typeof StatusSchema> {
  const { campaign, counts, stage, waits, maxPerHour, routes, overrides, replies, breakdown } = status;
  return {
    campaign: summaryOf(campaign),
    counts,
    stage: stage && { number: stage.number, stages: [...stage.stages] },
    waits: waits && { for: waits.for, until: waits.until?.toISOString() ?? null },
    max_per_hour: maxPerHour,
    routes_in_trouble: routes.map(({ name, failures, pausedUntil, reason }) => ({
      name,
      failures,
      paused_until: pausedUntil?.toISOString() ?? null,
      reason,
    })),
    overrides: overrides.map(({ at, by, items }) => ({ at: at.toISOString(), by, items })),
    replies: replies.map(({ at, contactId, kind, attempt, detail, rule, phase, mxHost }) => ({
      at: at.toISOString(),
      contact_id: contactId,
      outcome: kind,
      attempt,
      reply: detail,
      rule,
      phase,
      mx_host: mxHost,
    })),
    breakdown: breakdown
      ? {
          as_of: breakdown.madeAt.toISOString(),
          destinations: breakdown.destinations,
          refusals: breakdown.refusals.map(({ kind, rule, replies, latestAt, example }) => ({
            outcome: kind,
            rule,
            replies,
            latest_at: new Date(latestAt).toISOString(),
            example,
          })),
        }
      : null,
  };
}

/** Every state, also those with no message. */
export function countsJson(counts: Readonly<Record<string, number>>): Static<typeof CountsSchema> {
  return Object.fromEntries(MESSAGE_STATES.map((state) => [state, counts[state] ?? 0])) as Static<
    typeof CountsSchema
  >;
}

function planJson(kept: KeptPlan): Static<typeof PlanSchema> {
  const { scheduledAt, localAt, timezone, sendWindow, stages, holdSeconds, haltLimits, maxPerHour } = kept;
  return {
    scheduled_at: scheduledAt?.toISOString() ?? null,
    local_at: localAt,
    timezone,
    window: sendWindow,
    stages: [...stages],
    hold_seconds: holdSeconds,
    halt_above: haltLimits ?? { bounces: null, complaints: null, deferrals: null },
    max_per_hour: maxPerHour,
  };
}

function wayJson(route: Route) {
  return { kind: route.kind, name: route.kind === 'relay' ? route.name : route.pool, weight: route.weight };
}
