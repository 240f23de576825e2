/**
 * Limits of destinations: how much each mailbox provider and site is sent at a time, who shares it, and why it is not what
 * the rules say. They belong to the installation: how a provider treats an address is the same for everybody who sends
 * from it.
 */
import Type, { type Static } from 'typebox';
import { type LimitReport, limitsInForce, resumeTarget } from '../delivery/limits-report.ts';
import type { Limits } from '../smtp/providers.ts';
import { endpoint, noContent, ok } from './endpoint.ts';
import { auditAlone } from './installation.ts';
import { Problem } from './problem.ts';
import { Nothing, nullable, oneOf, strict, Time } from './schemas.ts';

const LimitsSchema = strict(
  {
    connections: Type.Integer(),
    messages_per_connection: Type.Integer(),
    messages_per_second: nullable(Type.Number()),
    messages_per_day: nullable(Type.Integer()),
  },
  { $id: 'Limits' },
);

const DestinationSchema = strict(
  {
    source: Type.String({ description: 'Empty: the machine’s own address.' }),
    target: Type.String({ description: 'provider google, site mx.acme.example' }),
    door: oneOf(['open', 'shut', 'probing'], {
      description: 'shut: nothing goes there; probing: one connection looks whether it may.',
    }),
    rule: LimitsSchema,
    in_force: LimitsSchema,
    sent_today: nullable(Type.Integer({ description: 'Null: the messages of a day are not limited.' })),
    workers: Type.Array(
      strict({
        id: Type.String(),
        connections: Type.Integer(),
        messages_per_second: nullable(Type.Number()),
      }),
    ),
    reasons: Type.Array(
      strict({
        limit: oneOf(['door', 'connections', 'messages_per_second', 'messages_per_connection']),
        rule: Type.String({ description: 'Of the reply table.' }),
        reply: Type.String(),
        since: Time,
        until: nullable(Time),
        sentence: Type.String(),
      }),
      { description: 'Why it is not what the rules say.' },
    ),
  },
  { $id: 'Destination' },
);

export const list = endpoint({
  summary: 'All destinations that are in use, or that something was learned of',
  scope: 'installation:read',
  idempotency: 'none',
  responses: { 200: strict({ data: Type.Array(DestinationSchema) }) },
  async run({ services }) {
    return ok({ data: (await limitsInForce(services.database)).map(jsonOf) });
  },
});

export const resume = endpoint({
  summary: 'Let messages go again to a destination that is shut',
  description: 'What else was learned of it stays.',
  scope: 'installation:write',
  idempotency: 'optional',
  body: strict({
    target: Type.String({ minLength: 1, maxLength: 300 }),
    source: Type.Optional(Type.String({ maxLength: 45 })),
  }),
  responses: { 204: Nothing },
  problems: ['conflict'],
  async run(request) {
    const { target, source = '' } = request.body;
    if (!(await resumeTarget(request.services.database, { source, target })))
      throw new Problem('conflict', `Nothing stands in the way to "${target}".`);
    await auditAlone(request, {
      action: 'destination.resumed',
      subject: `destination/${target}`,
      after: { source },
    });
    return noContent();
  },
});

function jsonOf({
  source,
  target,
  rule,
  inForce,
  door,
  sentToday,
  workers,
  reasons,
}: LimitReport): Static<typeof DestinationSchema> {
  return {
    source,
    target,
    door,
    rule: limitsOf(rule),
    in_force: limitsOf(inForce),
    sent_today: sentToday,
    workers: workers.map(({ id, connections, messagesPerSecond }) => ({
      id,
      connections,
      messages_per_second: messagesPerSecond,
    })),
    reasons: reasons.map(({ limit, rule: id, reply, sinceMs, untilMs, sentence }) => ({
      limit,
      rule: id,
      reply,
      since: new Date(sinceMs).toISOString(),
      until: untilMs === null ? null : new Date(untilMs).toISOString(),
      sentence,
    })),
  };
}

function limitsOf(limits: Limits): Static<typeof LimitsSchema> {
  return {
    connections: limits.connections,
    messages_per_connection: limits.messagesPerConnection,
    messages_per_second: limits.messagesPerSecond,
    messages_per_day: limits.messagesPerDay,
  };
}
