/**
 * One attempt at one message, as a list of verbs. Each step either settles the message (returns its outcome) or lets it
 * go on. It knows no database: the queue hands it a plain message and writes down what it returns.
 *
 * Before: queue/pump.ts took the message from a lane. What a reply means: replied.ts. After: queue/writer.ts makes the
 * outcome durable.
 */
import type { CompiledMessage, RenderResult } from '../content/message.ts';
import { type DkimKey, signDkim } from '../smtp/dkim.ts';
import type { Link } from './link.ts';
import type { Outcome } from './outcome.ts';
import { outcomeOfFailure, outcomeOfSend } from './replied.ts';

/** Connections for one message: only when the ones before were closed before it began. */
const TRIES_MAX = 3;

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
  /** None: nobody added the sender's domain, and whoever relays it may sign. */
  dkimKeys: readonly DkimKey[];
  link: Link;
  /** Makes `committing` durable; false: this worker may not send the message any more. */
  beforeDot: () => Promise<boolean>;
  /** The finished RFC 5322 message, set by `render`, signed by `sign`. */
  data: string;
}

type Step = (delivery: Delivery) => Outcome | undefined | Promise<Outcome | undefined>;

const STEPS: Step[] = [suppress, expire, route, render, sign, send];

export async function deliver(delivery: Delivery): Promise<Outcome> {
  for (const step of STEPS) {
    const settled = step(delivery);
    const outcome = settled instanceof Promise ? await settled : settled;
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

function route({ link, message }: Delivery): Promise<Outcome | undefined> | undefined {
  return link.route?.(message);
}

function render(delivery: Delivery): Outcome | undefined {
  const rendered = tryRender(delivery);
  if (rendered.kind === 'unrenderable') return unsendable(rendered.error, 'unrenderable');
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

function sign(delivery: Delivery): Promise<undefined> | undefined {
  if (delivery.dkimKeys.length === 0) return undefined;
  return signDkim(delivery.data, delivery.dkimKeys).then((signed) => {
    delivery.data = signed;
    return undefined;
  });
}

async function send(delivery: Delivery): Promise<Outcome> {
  const { envelopeFrom: from, message, data, beforeDot, link } = delivery;
  for (let tries = 1; ; tries += 1) {
    const opened = await link.connection();
    if (opened.kind === 'busy') return { kind: 'released', afterMs: opened.afterMs, trouble: null };
    if (opened.kind === 'failed') return outcomeOfFailure(opened);
    const { connection, host } = opened;
    const held = await link.limit?.();
    if (held) return held;
    const result = await connection.send({ from, to: message.email, data }, beforeDot);
    // It was closed between two messages, as some servers do when it has carried enough: of this one they heard nothing.
    if (result.kind === 'lost' && connection.closedBetween && tries < TRIES_MAX) continue;
    return result.kind === 'invalid'
      ? unsendable(result.error, 'invalid')
      : outcomeOfSend(result, host, message.deferrals);
  }
}

function unsendable(detail: string, rule: string): Outcome {
  return { kind: 'rejected', detail, rule, metAt: null, trouble: null };
}
