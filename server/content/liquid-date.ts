/**
 * The `date` filter: a date from data or `now`, printed with a strftime format.
 *
 * Names are English and the zone is UTC, whatever the machine is set to, unless the template gives a zone: the
 * same mail comes out of every worker.
 */
import { isNil, nativeNumber, nativeText, plain, text, type WorkBudget } from './liquid-values.ts';

/** A moment as it is shown: the UTC fields of `wall` are what the clock on that wall says. */
interface Shown {
  readonly wall: Date;
  readonly epochMs: number;
  /** Minutes behind UTC, as JavaScript counts them. */
  readonly offsetMinutes: number;
  readonly zoneName: string;
}

interface Flags {
  readonly flags: string;
  readonly width: number;
}

const DEFAULT_FORMAT = '%A, %B %-e, %Y at %-l:%M %P %z';
const LOCALE = 'en-US';
const MONTHS = 'January February March April May June July August September October November December'.split(
  ' ',
);
const DAYS = 'Sunday Monday Tuesday Wednesday Thursday Friday Saturday'.split(' ');
const DIRECTIVE = /%([-_0^#:]+)?(\d+)?(?:[EO])?(.)/g;
const WIDTHS: Record<string, number> = {
  C: 2,
  d: 2,
  e: 2,
  H: 2,
  I: 2,
  j: 3,
  k: 2,
  l: 2,
  L: 3,
  m: 2,
  M: 2,
  S: 2,
  U: 2,
  W: 2,
  y: 2,
  Y: 4,
};
const PADDED_WITH_BLANKS = 'aAbBceklpP';

/** The formatted date, or `value` as it is when it is no date. */
export function formatDate(value: unknown, format: unknown, zone: unknown, work: WorkBudget): unknown {
  const date = toDate(plain(value), work);
  const shown = date && showIn(date, plain(zone), work);
  if (!shown || Number.isNaN(shown.wall.getTime())) return value;
  const wanted = plain(format);
  const pattern = isNil(wanted) ? DEFAULT_FORMAT : text(wanted, work);
  work.charge(pattern.length);
  return pattern.replace(
    DIRECTIVE,
    (whole, flags: string | undefined, width: string | undefined, code: string) => {
      work.charge(Number(width ?? 0));
      return directive(shown, code, { flags: flags ?? '', width: Number(width ?? 0) }) ?? whole;
    },
  );
}

function toDate(value: unknown, work: WorkBudget): Date | undefined {
  if (isNil(value)) return undefined;
  if (value === 'now' || value === 'today') return new Date();
  if (typeof value === 'number') return new Date(value * 1000);
  if (typeof value === 'boolean') return new Date(Number(value));
  const written = nativeText(value, work);
  return typeof value === 'string' && /^\d+$/.test(value)
    ? new Date(Number(value) * 1000)
    : parseAsUtc(written);
}

/** Reads a date; one without a zone is UTC, where JavaScript takes the zone of the machine. */
function parseAsUtc(written: string): Date {
  const date = new Date(written);
  const dateOnly = /^\d{4}(?:-\d\d(?:-\d\d)?)?$/.test(written);
  const hasZone = /(?:Z|[+-]\d\d:?\d\d|\b(?:UTC?|GMT|[ECMP][SD]T))\s*(?:\([^)]*\))?$/i.test(written);
  if (dateOnly || hasZone) return date;
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000);
}

/** `zone` is minutes behind UTC or the name of a zone; UTC when there is none or it is not known. */
function showIn(date: Date, zone: unknown, work: WorkBudget): Shown {
  const known = typeof zone === 'string' ? namedOffset(date, zone) : undefined;
  const offsetMinutes = known ?? (typeof zone === 'string' || isNil(zone) ? 0 : nativeNumber(zone, work));
  return {
    wall: new Date(date.getTime() - offsetMinutes * 60_000),
    epochMs: date.getTime(),
    offsetMinutes,
    zoneName: known === undefined ? '' : String(zone),
  };
}

function namedOffset(date: Date, zone: string): number | undefined {
  try {
    const wall = new Date(`${date.toLocaleString(LOCALE, { timeZone: zone })} UTC`);
    const utc = new Date(`${date.toLocaleString(LOCALE, { timeZone: 'UTC' })} UTC`);
    return (utc.getTime() - wall.getTime()) / 60_000;
  } catch {
    return undefined;
  }
}

function directive(shown: Shown, code: string, { flags, width }: Flags): string | undefined {
  const field = FIELDS[code];
  if (!field) return undefined;
  const plainText = String(field(shown, { flags, width }));
  const value = flags.includes('^')
    ? plainText.toUpperCase()
    : flags.includes('#')
      ? swapCase(plainText)
      : plainText;
  const wide = flags.includes('-') ? 0 : width || (WIDTHS[code] ?? 0);
  const blanks = flags.includes('_') || (PADDED_WITH_BLANKS.includes(code) && !flags.includes('0'));
  if (blanks) return value.padStart(wide, ' ');
  return value.startsWith('-') ? `-${value.slice(1).padStart(wide - 1, '0')}` : value.padStart(wide, '0');
}

/** Upper case, or lower case for a text without lower-case letters. */
function swapCase(value: string): string {
  return /[a-z]/.test(value) ? value.toUpperCase() : value.toLowerCase();
}

const FIELDS: Record<string, (shown: Shown, flags: Flags) => string | number> = {
  a: ({ wall }) => dayName(wall).slice(0, 3),
  A: ({ wall }) => dayName(wall),
  b: ({ wall }) => monthName(wall).slice(0, 3),
  B: ({ wall }) => monthName(wall),
  c: ({ wall }) => wall.toLocaleString(LOCALE, { timeZone: 'UTC' }),
  C: ({ wall }) => Math.floor(wall.getUTCFullYear() / 100),
  d: ({ wall }) => wall.getUTCDate(),
  e: ({ wall }) => wall.getUTCDate(),
  h: ({ wall }) => monthName(wall).slice(0, 3),
  H: ({ wall }) => wall.getUTCHours(),
  I: ({ wall }) => wall.getUTCHours() % 12 || 12,
  j: ({ wall }) => dayOfYear(wall),
  k: ({ wall }) => wall.getUTCHours(),
  l: ({ wall }) => wall.getUTCHours() % 12 || 12,
  L: ({ wall }) => wall.getUTCMilliseconds(),
  m: ({ wall }) => wall.getUTCMonth() + 1,
  M: ({ wall }) => wall.getUTCMinutes(),
  N: ({ wall }, { width }) => fraction(wall, width || 9),
  p: ({ wall }) => (wall.getUTCHours() < 12 ? 'AM' : 'PM'),
  P: ({ wall }) => (wall.getUTCHours() < 12 ? 'am' : 'pm'),
  q: ({ wall }) => ordinalSuffix(wall.getUTCDate()),
  s: ({ epochMs }) => Math.floor(epochMs / 1000),
  S: ({ wall }) => wall.getUTCSeconds(),
  u: ({ wall }) => wall.getUTCDay() || 7,
  U: ({ wall }) => weekOfYear(wall, 0),
  w: ({ wall }) => wall.getUTCDay(),
  W: ({ wall }) => weekOfYear(wall, 1),
  x: ({ wall }) => wall.toLocaleDateString(LOCALE, { timeZone: 'UTC' }),
  X: ({ wall }) => wall.toLocaleTimeString(LOCALE, { timeZone: 'UTC' }),
  y: ({ wall }) => ((wall.getUTCFullYear() % 100) + 100) % 100,
  Y: ({ wall }) => wall.getUTCFullYear(),
  z: offsetText,
  Z: (shown, flags) => shown.zoneName || offsetText(shown, flags),
  t: () => '\t',
  n: () => '\n',
  '%': () => '%',
};

function dayName(wall: Date): string {
  return DAYS[wall.getUTCDay()] ?? '';
}

function monthName(wall: Date): string {
  return MONTHS[wall.getUTCMonth()] ?? '';
}

function dayOfYear(wall: Date): number {
  const newYear = new Date(wall);
  newYear.setUTCMonth(0, 1);
  return Math.round((wall.getTime() - newYear.getTime()) / 86_400_000) + 1;
}

/** Days before the first `startDay` of the year are in week 0. */
function weekOfYear(wall: Date, startDay: number): number {
  const daysSinceStart = (wall.getUTCDay() - startDay + 7) % 7;
  return Math.floor((dayOfYear(wall) - 1 - daysSinceStart + 7) / 7);
}

function fraction(wall: Date, digits: number): string {
  return String(wall.getUTCMilliseconds()).padStart(3, '0').slice(0, digits).padEnd(digits, '0');
}

function ordinalSuffix(day: number): string {
  if (day >= 11 && day <= 13) return 'th';
  return { 1: 'st', 2: 'nd', 3: 'rd' }[day % 10] ?? 'th';
}

function offsetText({ offsetMinutes }: Shown, { flags }: Flags): string {
  const minutes = Math.abs(offsetMinutes);
  const pair = [Math.floor(minutes / 60), minutes % 60].map((part) => String(part).padStart(2, '0'));
  return (offsetMinutes > 0 ? '-' : '+') + pair.join(flags.includes(':') ? ':' : '');
}
