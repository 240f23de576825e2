/**
 * What a server's answer, or its silence, makes of the message: the reply table's verdict as an outcome.
 *
 * Through a relay (`host` null) a refusal to take anything is the relay's trouble and costs no message anything. Of MX
 * hosts it is the destination's: the message waits, spends a try and gives up by its age as mail always did, and the
 * destination is left alone for a while.
 */
import { troubleOf } from '../outcomes/trouble.ts';
import type { Classification, Phase } from '../smtp/classification.ts';
import { classify } from '../smtp/replies.ts';
import { type Reply, replyText } from '../smtp/reply.ts';
import type { SendResult } from '../smtp/transaction.ts';
import type { LinkOpened } from './link.ts';
import type { Judged, Outcome } from './outcome.ts';

/** How long a message waits that lost its connection through no fault of its own. */
const LOST_CONNECTION_WAIT_MS = 2_000;
/** The destination asked for less: by then its limits are lower. */
const SHAPED_WAIT_MS = 5_000;

type Failed = Extract<LinkOpened, { kind: 'failed' }>;
type Sent = Exclude<SendResult, { kind: 'invalid' }>;

/** No session could be opened, so nothing was said of the message. */
export function outcomeOfFailure({ phase, reply, error, host }: Failed): Outcome {
  const detail = `${phase}: ${reply ? replyText(reply) : (error ?? 'no answer')}`;
  const trouble = { detail, certain: true };
  if (host === null) return { kind: 'released', afterMs: 0, trouble };
  if (reply) {
    const verdict = classify(phase, reply, host);
    const shaped = shapedBy(verdict, replyText(reply));
    if (shaped) return shaped;
    const told = judged(verdict, replyText(reply), phase, host);
    return { kind: 'deferred', waitMs: verdict.waitMs, unreachable: true, ...told };
  }
  return { kind: 'deferred', waitMs: null, unreachable: true, ...nobodySaid(detail, 'no-connection') };
}

/** `deferrals` of the message so far: a greylist's schedule counts them. */
export function outcomeOfSend(result: Sent, host: string | null, deferrals: number): Outcome {
  switch (result.kind) {
    case 'accepted':
      return accepted(replyText(result.reply));
    case 'refused':
      return outcomeOfReply(result.phase, result.reply, host, deferrals);
    case 'lost':
      return outcomeOfLoss(result, host);
    case 'withheld':
      return { kind: 'released', afterMs: 0, trouble: null };
  }
}

function accepted(detail: string): Outcome {
  return { kind: 'accepted', detail, rule: 'accepted', metAt: null, trouble: null };
}

function outcomeOfReply(
  phase: 'mail' | 'rcpt' | 'data' | 'dot',
  reply: Reply,
  host: string | null,
  deferrals: number,
): Outcome {
  const verdict = classify(phase, reply, host, deferrals);
  const detail = replyText(reply);
  const told = judged(verdict, detail, phase, host);
  switch (verdict.action.kind) {
    case 'accept':
      return accepted(detail);
    case 'retry':
      return { kind: 'deferred', waitMs: verdict.waitMs, unreachable: false, ...told };
    case 'reject':
    case 'suppress':
    case 'suppress-on-repeat':
      return { kind: 'rejected', ...told };
    case 'hold-campaign':
      return { kind: 'held', detail };
    case 'pause-route':
      // At RCPT it may be this recipient's domain that the relay does not relay to.
      return phase === 'rcpt'
        ? lostTry(detail, false)
        : { kind: 'released', afterMs: 0, trouble: { detail, certain: true } };
    default:
      return shapedBy(verdict, detail) ?? lostTry(detail, false);
  }
}

/** An outcome when the reply is about the limits: the message itself is innocent. */
function shapedBy({ action, rule, waitMs }: Classification, reply: string): Outcome | null {
  switch (action.kind) {
    case 'slow-down':
    case 'one-connection':
    case 'fewer-messages-per-connection':
    case 'suspend': {
      const trouble = { detail: reply, certain: false };
      return {
        kind: 'released',
        afterMs: waitMs ?? SHAPED_WAIT_MS,
        trouble,
        shaping: { action, reply, rule },
      };
    }
    default:
      return null;
  }
}

function outcomeOfLoss(loss: Extract<Sent, { kind: 'lost' }>, host: string | null): Outcome {
  const detail = `${loss.phase}: ${loss.error}`;
  if (loss.dotSent) return { kind: 'uncertain', ...nobodySaid(loss.error, 'no-answer-after-dot') };
  if (!loss.reply) return lostTry(detail, false);
  const verdict = classify(loss.phase, loss.reply, host);
  if (verdict.action.kind === 'hold-campaign') return { kind: 'held', detail: replyText(loss.reply) };
  return shapedBy(verdict, replyText(loss.reply)) ?? lostTry(detail, verdict.action.kind === 'pause-route');
}

function lostTry(detail: string, certain: boolean): Outcome {
  return { kind: 'released', afterMs: LOST_CONNECTION_WAIT_MS, trouble: { detail, certain } };
}

function judged(verdict: Classification, detail: string, phase: Phase, mxHost: string | null): Judged {
  return { detail, rule: verdict.rule, metAt: { phase, mxHost }, trouble: troubleOf(verdict) };
}

function nobodySaid(detail: string, rule: string): Judged {
  return { detail, rule, metAt: null, trouble: null };
}
