/**
 * One attempt at one message, as a list of verbs. Each step either settles the message (returns its outcome) or lets it
 * go on. It knows no database: the queue hands it a plain message and writes down what it returns.
 *
 * Before: queue/pump.ts took the message from a lane. After: queue/writer.ts makes the outcome durable.
 */
import type { CompiledMessage, RenderResult } from '../content/message.ts';
import { classify } from '../smtp/replies.ts';
import type { Reply } from '../smtp/reply.ts';
import type { SendResult } from '../smtp/transaction.ts';
import type { Outcome } from './outcome.ts';
import type { RelayLink } from './relay-link.ts';

/** How long a message waits that lost its connection through no fault of its own. */
const LOST_CONNECTION_WAIT_MS = 2_000;

export interface DueMessage {
  workspaceId: string;
  campaignId: string;
  contactId: string;
  lane: number;
  email: string;
  name: string | null;
  attributes: Record<string, unknown>;
  attempt: number;
  deferrals: number;
  /** Why it must not be sent, as of the claim; null: it may. */
  suppressedBy: string | null;
  /** Until the give-up age, which counts from its first temporary failure; as of the claim. */
  secondsLeft: number;
}

export interface Delivery {
  message: DueMessage;
  content: CompiledMessage;
  envelopeFrom: string;
  link: RelayLink;
  /** Makes `committing` durable; false: this worker may not send the message any more. */
  beforeDot: () => Promise<boolean>;
  /** The finished RFC 5322 message, set by `render`. */
  data: string;
}

type Step = (delivery: Delivery) => Outcome | undefined | Promise<Outcome>;

const STEPS: Step[] = [suppress, expire, render, send];

export async function deliver(delivery: Delivery): Promise<Outcome> {
  for (const step of STEPS) {
    const outcome = await step(delivery);
    if (outcome) return outcome;
  }
  throw new Error('the last step always settles the message');
}

function suppress({ message }: Delivery): Outcome | undefined {
  if (message.suppressedBy === null) return undefined;
  return { kind: 'suppressed', detail: message.suppressedBy, rule: 'audience' };
}

function expire({ message }: Delivery): Outcome | undefined {
  if (message.secondsLeft > 0) return undefined;
  return { kind: 'expired', detail: 'older than the give-up age of its campaign', rule: 'give-up-age' };
}

function render(delivery: Delivery): Outcome | undefined {
  const rendered = tryRender(delivery);
  if (rendered.kind === 'unrenderable')
    return { kind: 'rejected', detail: rendered.error, rule: 'unrenderable', suppress: false };
  delivery.data = rendered.data;
  return undefined;
}

/** Even a bug of ours in rendering concerns this recipient only: thrown, it would meet every worker that claims the row. */
function tryRender({ content, message }: Delivery): RenderResult {
  try {
    return content.render(message);
  } catch (error) {
    return { kind: 'unrenderable', error: `a mistake in Camp: ${error}` };
  }
}

async function send(delivery: Delivery): Promise<Outcome> {
  const opened = await delivery.link.connection();
  if (opened.kind === 'failed') {
    const detail = `${opened.phase}: ${opened.reply ? replyText(opened.reply) : (opened.error ?? 'no answer')}`;
    return { kind: 'released', afterMs: 0, trouble: { detail, certain: true } };
  }
  const { envelopeFrom: from, message, data, beforeDot } = delivery;
  const result = await opened.connection.send({ from, to: message.email, data }, beforeDot);
  return outcomeOf(result);
}

function outcomeOf(result: SendResult): Outcome {
  switch (result.kind) {
    case 'accepted':
      return { kind: 'accepted', detail: replyText(result.reply), rule: 'accepted' };
    case 'refused':
      return outcomeOfReply(result.phase, result.reply);
    case 'lost':
      return outcomeOfLoss(result);
    case 'withheld':
      return { kind: 'released', afterMs: 0, trouble: null };
    case 'invalid':
      return { kind: 'rejected', detail: result.error, rule: 'invalid', suppress: false };
  }
}

function outcomeOfReply(phase: 'mail' | 'rcpt' | 'data' | 'dot', reply: Reply): Outcome {
  const { class: verdict, fault, rule, suppress } = classify(phase, reply);
  const detail = replyText(reply);
  if (verdict === 'rejected') return { kind: 'rejected', detail, rule, suppress };
  if (verdict === 'route' && fault === 'sender') return { kind: 'held', detail };
  // At RCPT it may be this recipient's domain that the relay does not relay to.
  if (verdict === 'route' && phase === 'rcpt') return lostTry(detail, false);
  if (verdict === 'route') return { kind: 'released', afterMs: 0, trouble: { detail, certain: true } };
  if (verdict === 'throttled') return lostTry(detail, false);
  return { kind: 'deferred', detail, rule };
}

function outcomeOfLoss(loss: Extract<SendResult, { kind: 'lost' }>): Outcome {
  if (loss.dotSent) return { kind: 'uncertain', detail: loss.error, rule: 'no-answer-after-dot' };
  const certain = loss.reply !== undefined && classify(loss.phase, loss.reply).class === 'route';
  return lostTry(`${loss.phase}: ${loss.error}`, certain);
}

function lostTry(detail: string, certain: boolean): Outcome {
  return { kind: 'released', afterMs: LOST_CONNECTION_WAIT_MS, trouble: { detail, certain } };
}

function replyText(reply: Reply): string {
  return `${reply.code} ${reply.enhanced ? `${reply.enhanced} ` : ''}${reply.text}`;
}
