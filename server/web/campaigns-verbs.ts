/**
 * What is done with a campaign: sent, paused, resumed, continued, taken back, cancelled; its speed and its window. The verbs
 * are campaigns/campaign.ts; in which states each is possible is campaigns/verbs.ts, and a refusal is 409 with a sentence.
 */
import Type from 'typebox';
import { creditsAllow, OUT_OF_CREDITS } from '../billing/credits.ts';
import * as verbs from '../campaigns/campaign.ts';
import type { ChecklistItem } from '../campaigns/checked.ts';
import { findDetail } from '../campaigns/draft.ts';
import { launch } from '../campaigns/launch.ts';
import type { Tx } from '../kernel/database.ts';
import { auditCampaign } from './campaigns.ts';
import { CampaignSchema, campaignJson, paceBody, planFields, planOf, windowBody } from './campaigns-json.ts';
import { type ApiRequest, accepted, endpoint, ok } from './endpoint.ts';
import { Problem } from './problem.ts';
import { Id, strict } from './schemas.ts';

/** What passes through all contacts: a checklist asks twice. */
export const AUDIENCE_MS_MAX = 120_000;

export const send = endpoint({
  summary: 'Send a campaign, now or by a plan',
  description:
    'After a look at the checklist: what is amber must be accepted, what is red forced, and who forced it is written down. A scheduled campaign may be sent now.',
  scope: 'campaigns:send',
  idempotency: 'required',
  load: 'bulk',
  deadlineMs: AUDIENCE_MS_MAX,
  params: { id: Id },
  body: strict({
    ...planFields,
    accept_warnings: Type.Optional(Type.Boolean()),
    force: Type.Optional(Type.Boolean()),
  }),
  responses: { 202: CampaignSchema },
  problems: ['conflict', 'checklist-failed', 'out-of-credits'],
  async run(request) {
    const { body, params, principal, workspaceId, services, scope, once } = request;
    const of = { workspaceId, campaignId: params.id };
    const { database, config } = services;
    const mayBePaid = async (tx: Tx) => {
      await findDetail(tx, of);
      return creditsAllow(tx, config, workspaceId);
    };
    if (!(await database.readWorkspace(workspaceId, mayBePaid, scope)))
      throw new Problem('out-of-credits', OUT_OF_CREDITS);
    const consent = {
      force: body.force === true,
      by: `${principal.kind} ${principal.id}`,
      confirm: async () => body.accept_warnings === true,
    };
    const plan = planOf(body);
    const answers: Awaited<ReturnType<typeof answerSent>>[] = [];
    const also = async (tx: Tx) => {
      const answer = await answerSent(tx, request, of.campaignId);
      await auditCampaign(tx, request, of.campaignId, plan.at || plan.atLocal ? 'scheduled' : 'sent', body);
      await once?.finish(tx, answer);
      answers.push(answer);
    };
    const outcome = await launch(surroundingsOf(request), of, plan, consent, also);
    if (outcome.kind !== 'sent') throw checklistFailed(outcome.items);
    const [answer] = answers;
    if (!answer) throw new Error('a campaign was sent and has no answer');
    return answer;
  },
});

async function answerSent(tx: Tx, { workspaceId }: ApiRequest, campaignId: string) {
  const row = await findDetail(tx, { workspaceId, campaignId });
  return accepted(`/v1/campaigns/${campaignId}/status`, campaignJson(row));
}

/** What the checklist is asked with. */
export function surroundingsOf(request: Pick<ApiRequest, 'services' | 'workspaceId' | 'scope'>) {
  const { database, secrets, resolver, config, templates } = request.services;
  return {
    scope: request.scope,
    database,
    secrets,
    resolver,
    config,
    work: <Task extends Parameters<typeof templates.do>[0]>(task: Task) => templates.do(task, request),
  };
}

function checklistFailed(items: readonly ChecklistItem[]): Problem {
  const [first] = items;
  const errors = items.map(({ id, sentence, fix }) => ({
    path: `/checklist/${id}`,
    message: fix === null ? sentence : `${sentence} ${fix}`,
  }));
  return new Problem('checklist-failed', first?.sentence, { errors });
}

export const pause = simple('paused', verbs.pause, 'optional', {
  summary: 'Hold back what is not on the wire',
  description: 'Bites at once, also for messages that a worker has in its hands.',
});

export const resume = simple('resumed', verbs.resume, 'required', {
  summary: 'Go on with a paused campaign',
  description: 'Also with one that halted by itself: what was counted up to now does not halt it again.',
});

export const goOn = simple('continued', verbs.goOn, 'required', {
  summary: 'Go on to the next stage of a rollout that holds',
});

export const revise = simple('revised', verbs.revise, 'optional', {
  summary: 'Take a scheduled or failed campaign back to a draft',
  description: 'Nobody has got anything yet; it is changed and sent again.',
});

export const cancel = simple('cancelled', verbs.cancel, 'optional', {
  summary: 'End a campaign for good',
  description: 'What waits is never sent.',
});

/** `idempotency`: required where mail begins to leave, so that a late repetition does not undo a pause. */
function simple(
  done: string,
  verb: verbs.Verb,
  idempotency: 'optional' | 'required',
  words: { summary: string; description?: string },
) {
  return endpoint({
    ...words,
    scope: 'campaigns:send',
    idempotency,
    params: { id: Id },
    responses: { 200: CampaignSchema },
    problems: ['conflict'],
    handle: (request, tx) => perform(tx, request, { id: request.params.id, done, verb }),
  });
}

export const pace = endpoint({
  summary: 'Slow a campaign down, or speed it up',
  scope: 'campaigns:send',
  idempotency: 'optional',
  params: { id: Id },
  body: paceBody,
  responses: { 200: CampaignSchema },
  problems: ['conflict'],
  handle(request, tx) {
    const { body, params } = request;
    const verb: verbs.Verb = (inTx, of) => verbs.setPace(inTx, of, body.max_per_hour);
    return perform(tx, request, { id: params.id, done: 'pace_changed', verb, after: body });
  },
});

export const window = endpoint({
  summary: 'Give a campaign another window, or none',
  description: 'Outside of it nothing leaves. A timezone that is not given stays.',
  scope: 'campaigns:send',
  idempotency: 'optional',
  params: { id: Id },
  body: windowBody,
  responses: { 200: CampaignSchema },
  problems: ['conflict'],
  handle(request, tx) {
    const { body, params } = request;
    const verb: verbs.Verb = (inTx, of) => verbs.setWindow(inTx, of, body);
    return perform(tx, request, { id: params.id, done: 'window_changed', verb, after: body });
  },
});

async function perform(
  tx: Tx,
  request: ApiRequest,
  { id, done, verb, after }: { id: string; done: string; verb: verbs.Verb; after?: unknown },
) {
  const of = { workspaceId: request.workspaceId, campaignId: id };
  await verb(tx, of);
  const answer = ok(campaignJson(await findDetail(tx, of)));
  await auditCampaign(tx, request, id, done, after);
  return answer;
}
