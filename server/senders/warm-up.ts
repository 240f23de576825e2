/**
 * Warm-up: how much a source may send to a mailbox provider on a day, while the provider does not know it yet.
 *
 * A ramp: `from` messages on the first day, `factor` times as many on each day after, until `until` a day is reached;
 * then there is no limit of ours any more. A source has one ramp for every provider, and may have others for single
 * ones. Nothing is counted here: the number becomes the messagesPerDay of what the Quota counts for source × provider.
 */

import { providers } from '../smtp/providers.ts';
import { RouteRefused } from './route-names.ts';

/** The provider of a ramp that is for all providers without one of their own, and for destinations that are none. */
export const ANY_PROVIDER = '*';

export interface WarmUp {
  /** Name of a provider, or '*'. */
  readonly provider: string;
  /** The first day, UTC, such as '2030-01-31'. */
  readonly start: string;
  /** Messages on the first day. */
  readonly from: number;
  readonly factor: number;
  /** The source is warm from the day on that would reach this many messages. */
  readonly until: number;
}

/** Messages that the source may send to the provider (null: a destination that is none) on a day (UTC, '2030-01-31'); null: no limit. */
export function warmUpPerDay(
  source: { readonly warmUps: readonly WarmUp[] },
  provider: string | null,
  day: string,
): number | null {
  const of = (name: string | null) => source.warmUps.find((warmUp) => warmUp.provider === name);
  const warmUp = of(provider) ?? of(ANY_PROVIDER);
  if (!warmUp) return null;
  const dayNumber = daysBetween(warmUp.start, day);
  if (dayNumber < 0) return 0;
  const messages = Math.floor(warmUp.from * warmUp.factor ** dayNumber);
  return messages >= warmUp.until ? null : messages;
}

const DAY_MS = 86_400_000;

function daysBetween(start: string, end: string): number {
  return (Date.parse(end) - Date.parse(start)) / DAY_MS;
}

const FACTOR_MIN = 1.01;
const FACTOR_MAX = 10;

/** Throws RouteRefused. */
export function checkWarmUp({ provider, start, from, factor, until }: WarmUp): void {
  const known = [ANY_PROVIDER, ...providers.map(({ name }) => name)];
  if (!known.includes(provider))
    throw new RouteRefused(`There is no provider "${provider}": write one of ${known.join(', ')}.`);
  if (!isDay(start)) throw new RouteRefused(`"${start}" is no day: write one such as 2030-01-31.`);
  if (!(factor >= FACTOR_MIN && factor <= FACTOR_MAX))
    throw new RouteRefused(
      `The factor must be from ${FACTOR_MIN} to ${FACTOR_MAX}: each day so many times the messages of the day before.`,
    );
  if (until <= from)
    throw new RouteRefused(
      `The source would be warm at once: --until ${until} must be above --from ${from}.`,
    );
}

function isDay(text: string): boolean {
  const time = Date.parse(`${text}T00:00:00Z`);
  return !Number.isNaN(time) && dayOf(new Date(time)) === text;
}

/** The day (UTC) of an instant, as '2030-01-31'. */
export function dayOf(instant: Date): string {
  return instant.toISOString().slice(0, 10);
}
