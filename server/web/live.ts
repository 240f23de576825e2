/** The live stream: what a screen shows, while it changes (server-sent events; live-hub.ts). */
import Type from 'typebox';
import { authenticate } from './auth.ts';
import { type ApiRequest, endpoint, ok } from './endpoint.ts';
import { TOPIC_PATTERN, topicOf } from './live-topics.ts';
import { Problem } from './problem.ts';
import { media } from './schemas.ts';

const TOPICS_MAX = 10;
/** Then the client connects again: no connection lives for ever. */
const STREAM_MS_MAX = 3_600_000;

export const stream = endpoint({
  summary: 'Watch what changes, as server-sent events',
  description: `Topics: campaign:ID (state, counts, accepted_per_minute), campaigns (the newest, by_id), imports:ID, queue. First an event \`snapshot\` for each, then \`change\` with the fields that changed, at most once a second; null: it is null now, or gone. \`gone\`: there is no such thing any more. The data is {topic, data}. A connection that is lost is made again, and begins with snapshots: nothing is missed.`,
  scope: 'any',
  idempotency: 'none',
  query: {
    topics: Type.Array(Type.String({ pattern: TOPIC_PATTERN }), {
      minItems: 1,
      maxItems: TOPICS_MAX,
      uniqueItems: true,
      description: 'Once for each: ?topics=queue&topics=campaigns',
    }),
  },
  responses: { 200: media('text/event-stream') },
  problems: ['missing-scope', 'too-many-requests', 'overloaded', 'not-found'],
  deadlineMs: STREAM_MS_MAX,
  passive: true,
  async run(request) {
    const { query, workspaceId, scope, services, principal } = request;
    const needed = query.topics.map((name) => topicOf(name).scope);
    const lacking = needed.find((one) => !principal.scopes.includes(one));
    if (lacking) throw new Problem('missing-scope', `This topic needs the scope ${lacking}.`);
    const isStillAllowed = () => mayStill(request, needed);
    const body = await services.live.open({ workspaceId, topics: query.topics, scope, isStillAllowed });
    return ok(body, { 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' });
  },
});

async function mayStill(request: ApiRequest, needed: readonly string[]): Promise<boolean> {
  try {
    const { workspaceId, scopes } = await authenticate(request, request.services, { isUse: false });
    return (
      workspaceId === request.workspaceId && needed.every((one) => scopes.some((scope) => scope === one))
    );
  } catch (error) {
    if (error instanceof Problem && error.code === 'unauthenticated') return false;
    throw error;
  }
}
