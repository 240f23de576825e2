/**
 * Send windows: `Mon-Fri 09:00-17:00`, or several with commas, on the clocks of one timezone. Pure.
 *
 * A window whose end is not after its beginning runs past midnight and belongs to the day on which it begins. Where the
 * clocks change: a time that is left out is as much later (02:30 is 03:30), of a time that comes twice the second counts.
 * That is also what Postgres' AT TIME ZONE does, so that a campaign's window and its recipients' own times follow one rule.
 */

/** One day's part of a window. */
interface Span {
  /** 1 is Monday, 7 is Sunday, as ISO 8601 counts. */
  weekdays: ReadonlySet<number>;
  from: Temporal.PlainTime;
  to: Temporal.PlainTime;
}

export type SendWindow = readonly Span[];

export interface Opening {
  opensAt: Date;
  closesAt: Date;
}

const WEEKDAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];
const SPAN = /^(\w{3}(?:-\w{3})?(?:\s+\w{3}(?:-\w{3})?)*)\s+(\d\d:\d\d)\s*-\s*(\d\d:\d\d)$/;
/** Yesterday's may still be open; every window opens once a week, or in the next when the clocks leave it out. */
const DAYS_LOOKED_AT = 16;

/** Undefined: it cannot be read. */
export function parseWindow(text: string): SendWindow | undefined {
  const spans = text.split(',').map((part) => parseSpan(part.trim().toLowerCase()));
  return spans.every((span) => span !== undefined) ? spans : undefined;
}

/** The opening that `now` is in, else the next one. */
export function currentOrNextOpening(window: SendWindow, timezone: string, now: Date): Opening {
  const instant = Temporal.Instant.fromEpochMilliseconds(now.getTime());
  const openings = openingsFrom(
    window,
    timezone,
    instant.toZonedDateTimeISO(timezone).toPlainDate().subtract({ days: 1 }),
  );
  const [first, ...later] = openings.filter(({ closesAt }) => closesAt > now);
  if (!first) throw new Error(`no opening within ${DAYS_LOOKED_AT} days`);
  let { closesAt } = first;
  for (const next of later)
    if (next.opensAt <= closesAt && next.closesAt > closesAt) closesAt = next.closesAt;
  return { opensAt: first.opensAt, closesAt };
}

function parseSpan(text: string): Span | undefined {
  const [, days = '', from = '', to = ''] = SPAN.exec(text) ?? [];
  const ranges = days.split(/\s+/).map(parseDays);
  const times = [from, to === '24:00' ? '00:00' : to].map(parseTime);
  const [begins, ends] = times;
  if (!begins || !ends || ranges.some((range) => range.length === 0)) return undefined;
  return { weekdays: new Set(ranges.flat()), from: begins, to: ends };
}

/** `mon`, `mon-fri`, `sat-mon`; empty when it is none of these. */
function parseDays(text: string): number[] {
  const [first = -1, last = first] = text.split('-').map((name) => WEEKDAYS.indexOf(name));
  if (first < 0 || last < 0) return [];
  const count = ((last - first + WEEKDAYS.length) % WEEKDAYS.length) + 1;
  return Array.from({ length: count }, (_, index) => ((first + index) % WEEKDAYS.length) + 1);
}

function parseTime(text: string): Temporal.PlainTime | undefined {
  return /^([01]\d|2[0-3]):[0-5]\d$/.test(text) ? Temporal.PlainTime.from(text) : undefined;
}

/** In the order in which they open. */
function openingsFrom(window: SendWindow, timezone: string, firstDay: Temporal.PlainDate): Opening[] {
  const days = Array.from({ length: DAYS_LOOKED_AT }, (_, index) => firstDay.add({ days: index }));
  const openings = days.flatMap((day) =>
    window
      .filter(({ weekdays }) => weekdays.has(day.dayOfWeek))
      .map(({ from, to }) => {
        const pastMidnight = Temporal.PlainTime.compare(to, from) <= 0;
        return {
          opensAt: dateOf(day.toPlainDateTime(from), timezone),
          closesAt: dateOf(day.add({ days: pastMidnight ? 1 : 0 }).toPlainDateTime(to), timezone),
        };
      }),
  );
  return openings
    .filter(({ opensAt, closesAt }) => opensAt < closesAt)
    .sort((a, b) => a.opensAt.getTime() - b.opensAt.getTime());
}

function dateOf(local: Temporal.PlainDateTime, timezone: string): Date {
  return new Date(local.toZonedDateTime(timezone, { disambiguation: 'later' }).epochMilliseconds);
}
