/**
 * What mail servers answer and what follows from it. The reply table is the same for everybody, and may be read by whoever
 * reads messages; what it did not know, and history judged anew, are of all workspaces, and so the installation's.
 */
import Type from 'typebox';
import { explanationOf } from '../outcomes/explanation.ts';
import { rerunReplies } from '../outcomes/rerun.ts';
import { unclassifiedReplies } from '../outcomes/unclassified.ts';
import { PHASES } from '../smtp/classification.ts';
import { classify, rules } from '../smtp/replies.ts';
import { readReply } from '../smtp/reply.ts';
import { endpoint, ok } from './endpoint.ts';
import { auditAlone } from './installation.ts';
import { invalid } from './problem.ts';
import { Id, nullable, oneOf, strict, Time } from './schemas.ts';
import { readTime } from './time.ts';

const RERUN_MS_MAX = 300_000;
const UNDONE_SHOWN_MAX = 1_000;
const BEGINNING = new Date(0);

const Phase = oneOf(PHASES, { description: 'What it was an answer to.' });

export const explain = endpoint({
  summary: 'What Camp does when a server answers so, and why',
  scope: 'messages:read',
  idempotency: 'none',
  body: strict({
    reply: Type.String({ minLength: 3, maxLength: 5_000, description: '550 5.1.1 user unknown' }),
    phase: Type.Optional(Phase),
    mx: Type.Optional(
      Type.String({ minLength: 1, maxLength: 253, description: 'Who says it; without it, a relay.' }),
    ),
  }),
  responses: {
    200: strict(
      {
        class: Type.String({ description: 'hard, soft, block, policy, …' }),
        fault: Type.String({ description: 'recipient, sender, source, content, …' }),
        duration: oneOf(['none', 'temporary', 'permanent']),
        action: Type.String(),
        action_seconds: nullable(Type.Number()),
        wait_seconds: nullable(Type.Number({ description: 'How long the reply says to wait.' })),
        suppress_after: nullable(strict({ campaigns: Type.Integer(), days: Type.Integer() })),
        rule: Type.String(),
        source: Type.String({ description: 'A section of an RFC, or a provider’s page.' }),
      },
      { $id: 'ReplyExplanation' },
    ),
  },
  async run({ body }) {
    const reply = readReply(body.reply);
    if (!reply)
      throw invalid('/body/reply', 'is no reply: it begins with its code, such as 550 5.1.1 user unknown');
    return ok(explanationOf(classify(body.phase ?? 'rcpt', reply, body.mx ?? null)));
  },
});

export const table = endpoint({
  summary: 'The rules that replies are judged by, in their order',
  description: 'The first that fits decides. Patterns are regular expressions.',
  scope: 'messages:read',
  idempotency: 'none',
  responses: {
    200: strict({
      data: Type.Array(
        strict({
          rule: Type.String(),
          source: Type.String(),
          class: Type.String(),
          fault: Type.String(),
          action: nullable(Type.String({ description: 'Null: 4xx is tried again, 5xx is not.' })),
          via: nullable(oneOf(['relay', 'mx'])),
          mx: nullable(
            Type.Array(Type.String(), { description: 'Endings of the host names that speak so.' }),
          ),
          phases: nullable(Type.Array(Phase)),
          code: nullable(Type.String()),
          enhanced: nullable(Type.String()),
          text: nullable(Type.String()),
        }),
      ),
    }),
  },
  async run() {
    const data = rules.map((rule) => ({
      rule: rule.rule,
      source: rule.source,
      class: rule.class,
      fault: rule.fault,
      action: rule.action?.kind ?? null,
      via: rule.via ?? null,
      mx: rule.mx ? [...rule.mx] : null,
      phases: rule.phases ? [...rule.phases] : null,
      code: rule.code?.source ?? null,
      enhanced: rule.enhanced?.source ?? null,
      text: rule.text?.source ?? null,
    }));
    return ok({ data });
  },
});

export const unclassified = endpoint({
  summary: 'Replies that no rule knows, of all workspaces, by kind',
  scope: 'installation:read',
  idempotency: 'none',
  query: { since: Type.Optional(Time) },
  responses: {
    200: strict({
      data: Type.Array(
        strict({
          template: Type.String({ description: 'Its words, without what differs from message to message.' }),
          count: Type.Integer(),
          phase: Phase,
          mx: nullable(Type.String({ description: 'Null: a relay said it.' })),
          last_at: Time,
          example: Type.String(),
        }),
      ),
    }),
  },
  async run({ query, services }) {
    const kinds = await unclassifiedReplies(services.database, sinceOf(query.since, '/query/since'));
    return ok({
      data: kinds.map(({ template, count, phase, mxHost: mx, lastAt, example }) => ({
        template,
        count,
        phase,
        mx,
        last_at: lastAt.toISOString(),
        example,
      })),
    });
  },
});

export const rerun = endpoint({
  summary: 'Judge past refusals by the rules of today, in all workspaces',
  description:
    'Undoes suppressions that these rules would not have made; makes none. What it did when its time was over stays done: ask again, from a later time on.',
  scope: 'installation:write',
  idempotency: 'none',
  deadlineMs: RERUN_MS_MAX,
  load: 'bulk',
  body: strict({
    since: Type.Optional(Time),
    dry_run: Type.Optional(Type.Boolean({ description: 'Judges, and changes nothing.' })),
  }),
  responses: {
    200: strict({
      refusals: Type.Integer({ description: 'Judged.' }),
      changed: Type.Integer({ description: 'Of them, those that another rule decides now.' }),
      suppressions: Type.Integer(),
      renamed: Type.Integer({ description: 'Suppressions that stay, by another rule.' }),
      undone_count: Type.Integer(),
      undone: Type.Array(
        strict({
          workspace_id: Id,
          email: Type.String(),
          was: nullable(Type.String({ description: 'The rule that had led to it.' })),
          now: Type.String(),
        }),
        { maxItems: UNDONE_SHOWN_MAX },
      ),
    }),
  },
  async run(request) {
    const { body, services, scope } = request;
    const { since, dry_run: dryRun = false } = body;
    const options = { since: sinceOf(since, '/body/since'), dryRun, onUndone: () => {}, scope };
    const { events, changed, suppressions, renamed, undone } = await rerunReplies(services.database, options);
    const counts = { refusals: events, changed, suppressions, renamed, undone_count: undone.length };
    if (!dryRun)
      await auditAlone(request, { action: 'replies.rerun', subject: 'installation', after: counts });
    const shown = undone.slice(0, UNDONE_SHOWN_MAX);
    return ok({
      ...counts,
      undone: shown.map(({ workspaceId, ...rest }) => ({ workspace_id: workspaceId, ...rest })),
    });
  },
});

function sinceOf(time: string | undefined, where: string): Date {
  return time === undefined ? BEGINNING : readTime(time, where);
}
