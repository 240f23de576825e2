/**
 * How what is in force at a target is divided among the workers that want it. Pure.
 *
 * Connections are counted, and a rate is divided like them: each worker sends evenly at its own part of it, so at every
 * instant the parts add up to no more than the whole, whenever they are renewed. Who wants less than an equal part leaves
 * the rest to the others.
 *
 * A part grows in Postgres before it grows in RAM, and shrinks in RAM before it shrinks in Postgres. So what Postgres
 * has written down is never less than what is used, also when an answer is lost, and nothing is given away twice. A worker
 * that has to shrink is told so, and the others get it when it has.
 */
import type { Limits } from '../smtp/providers.ts';

/** A rate is divided only into parts of at least so many messages a second: then a part's rounding is below 2 %. */
const PER_SECOND_MIN = 10;

/** One worker's part, as Postgres knows it. */
export interface Share {
  workerId: string;
  wanted: number;
  /** It may have so many open; a worker that has to shrink may have more than it was last granted. */
  connections: number;
  /** Null: more than it may. */
  wantedPerSecond: number | null;
  perSecond: number;
  sentPerSecond: number;
  tokens: number;
}

export interface Part {
  connections: number;
  /** Null: there is no limit. */
  perSecond: number | null;
}

/** The worker's own part now, out of its wishes and what the others hold. `key` decides whose turn is first. */
export function partOf(
  key: string,
  limits: Pick<Limits, 'connections' | 'messagesPerSecond'>,
  own: Share,
  others: readonly Share[],
  sharersMax: number,
): Part {
  const { connections, messagesPerSecond: rate } = limits;
  const parts = rate === null ? Infinity : Math.max(1, Math.floor(rate / PER_SECOND_MIN));
  const sharers = [own, ...others]
    .filter(({ wanted }) => wanted > 0)
    .sort((a, b) => rank(a.workerId, key) - rank(b.workerId, key))
    .slice(0, Math.min(parts, sharersMax));
  const wants = sharers.map(({ wanted }) => wanted);
  const fair = divide(connections, wants);
  const free = connections - sum(others.map((share) => share.connections));
  const senders = sharers.filter((_, at) => (fair[at] ?? 0) > 0);
  return {
    connections: Math.max(0, Math.min(fair[sharers.indexOf(own)] ?? 0, free)),
    perSecond: rate === null ? null : rateOf(rate, own, others, senders),
  };
}

/** In thousandths of a message a second. What nobody wants now is divided as well: somebody may, before the next renewal. */
function rateOf(rate: number, own: Share, others: readonly Share[], senders: readonly Share[]): number {
  if (!senders.includes(own)) return 0;
  const limit = Math.floor(rate * 1_000);
  const wants = senders.map(({ wantedPerSecond: wanted }) =>
    wanted === null ? limit : Math.ceil(wanted * 1_000),
  );
  const parts = divide(limit, wants);
  const fair = (parts[senders.indexOf(own)] ?? 0) + Math.floor((limit - sum(parts)) / senders.length);
  const free = limit - sum(others.map(({ perSecond }) => Math.ceil(perSecond * 1_000)));
  return Math.max(0, Math.min(fair, free)) / 1_000;
}

/** Whole parts of `limit`, as equal as the wishes allow; what cannot be divided goes to the first. */
export function divide(limit: number, wants: readonly number[]): number[] {
  const parts = wants.map(() => 0);
  let left = limit;
  for (;;) {
    const hungry = wants.flatMap((want, at) => ((parts[at] ?? 0) < want ? [at] : []));
    if (left === 0 || hungry.length === 0) return parts;
    const each = Math.max(1, Math.floor(left / hungry.length));
    for (const at of hungry) {
      const more = Math.min(each, (wants[at] ?? 0) - (parts[at] ?? 0), left);
      parts[at] = (parts[at] ?? 0) + more;
      left -= more;
    }
  }
}

/** Each key ranks the workers in another order (FNV-1a), so that small limits do not all meet the same worker. */
function rank(workerId: string, key: string): number {
  let hash = 0x811c9dc5;
  for (const character of `${workerId} ${key}`)
    hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193) >>> 0;
  return hash;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
