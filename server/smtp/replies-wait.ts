/** How long a reply says to wait ("in 5 minutes", "after 300 seconds", "come back in 00:04:59"). */

const DAY_MS = 86_400_000;

const units: readonly (readonly [start: string, ms: number])[] = [
  ['s', 1_000],
  ['m', 60_000],
  ['h', 3_600_000],
];
const words = ['one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten'];

const TOLD = new RegExp(
  String.raw`\b(?:in|after|for|wait|within)\s(?:about |at least )?(\d{1,5}|an?|${words.join('|')})\s?(sec|min|hour|hr|[smh]\b)`,
  'i',
);
const CLOCK = /\b(?:in|after)\s(\d{1,2}):(\d\d):(\d\d)\b/i;

/** Milliseconds, at most a day; null when the text tells no time. */
export function toldWaitMs(text: string): number | null {
  const waitMs = ofWords(text) ?? ofClock(text);
  return waitMs === null || waitMs === 0 ? null : Math.min(waitMs, DAY_MS);
}

function ofWords(text: string): number | null {
  const [, amount = '', unit = ''] = TOLD.exec(text) ?? [];
  const [, ms] = units.find(([start]) => unit.toLowerCase().startsWith(start)) ?? [];
  return ms === undefined ? null : numberOf(amount.toLowerCase()) * ms;
}

function numberOf(amount: string): number {
  if (/^\d/.test(amount)) return Number(amount);
  return amount.startsWith('a') ? 1 : words.indexOf(amount) + 1;
}

function ofClock(text: string): number | null {
  const [, hours, minutes, seconds] = CLOCK.exec(text) ?? [];
  if (hours === undefined) return null;
  return (Number(hours) * 3_600 + Number(minutes) * 60 + Number(seconds)) * 1_000;
}
