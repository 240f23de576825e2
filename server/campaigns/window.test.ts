import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { currentOrNextOpening, parseWindow } from './window.ts';

/** When a window is open, as a person says it: from and to, on the clocks of the zone. */
function opening(text: string, now: string, timezone = 'Europe/Berlin'): string {
  const window = parseWindow(text);
  assert.ok(window, text);
  const { opensAt, closesAt } = currentOrNextOpening(window, timezone, new Date(now));
  const local = (at: Date) =>
    Temporal.Instant.fromEpochMilliseconds(at.getTime())
      .toZonedDateTimeISO(timezone)
      .toString({ smallestUnit: 'minute', timeZoneName: 'never' });
  return `${local(opensAt)} to ${local(closesAt)}`;
}

test('on a working day the window is today’s, after its end the next working day’s', () => {
  const window = 'Mon-Fri 09:00-17:00';
  const friday = '2026-12-04T09:00+01:00 to 2026-12-04T17:00+01:00';
  assert.equal(opening(window, '2026-12-04T08:00+01:00'), friday);
  assert.equal(opening(window, '2026-12-04T16:59+01:00'), friday);
  assert.equal(opening(window, '2026-12-04T17:00+01:00'), '2026-12-07T09:00+01:00 to 2026-12-07T17:00+01:00');
});

test('a window past midnight belongs to the day on which it begins', () => {
  assert.equal(
    opening('Fri 22:00-02:00', '2026-12-05T01:00+01:00'),
    '2026-12-04T22:00+01:00 to 2026-12-05T02:00+01:00',
  );
});

test('windows that touch are one, and several may be said at once', () => {
  assert.equal(
    opening('Fri 09:00-24:00, Sat Mon 00:00-12:00', '2026-12-04T08:00+01:00'),
    '2026-12-04T09:00+01:00 to 2026-12-05T12:00+01:00',
  );
});

test('nine o’clock is nine o’clock before and after the clocks change', () => {
  const window = 'Mon-Sun 09:00-17:00';
  assert.equal(opening(window, '2026-03-28T20:00Z'), '2026-03-29T09:00+02:00 to 2026-03-29T17:00+02:00');
  assert.equal(opening(window, '2026-10-24T20:00Z'), '2026-10-25T09:00+01:00 to 2026-10-25T17:00+01:00');
});

test('a time that the clocks leave out is an hour later, and one that comes twice is the second', () => {
  assert.equal(
    opening('Sun 02:30-05:00', '2026-03-28T20:00Z'),
    '2026-03-29T03:30+02:00 to 2026-03-29T05:00+02:00',
  );
  assert.equal(
    opening('Sun 02:30-05:00', '2026-10-24T20:00Z'),
    '2026-10-25T02:30+01:00 to 2026-10-25T05:00+01:00',
  );
});

test('a window of which the clocks leave nothing opens a week later', () => {
  assert.equal(
    opening('Sun 02:30-03:00', '2026-03-28T20:00Z'),
    '2026-04-05T02:30+02:00 to 2026-04-05T03:00+02:00',
  );
});

test('whatever the moment, the opening is not over, and when it is over there is another one later', () => {
  const zones = ['Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kathmandu', 'UTC'];
  const moments = fc.date({ min: new Date('2020-01-01'), max: new Date('2040-01-01'), noInvalidDate: true });
  const windows = fc.constantFrom(
    'Mon-Fri 09:00-17:00',
    'Sun 02:30-02:45',
    'Sat 22:00-06:00, Wed 00:00-24:00',
  );
  fc.assert(
    fc.property(moments, windows, fc.constantFrom(...zones), (now, text, zone) => {
      const window = parseWindow(text) ?? [];
      const first = currentOrNextOpening(window, zone, now);
      assert.ok(first.closesAt > now && first.opensAt < first.closesAt);
      const next = currentOrNextOpening(window, zone, first.closesAt);
      assert.ok(next.opensAt > first.closesAt);
    }),
  );
});

test('what is no window is not taken for one', () => {
  for (const text of [
    '',
    'Mon-Fri',
    '09:00-17:00',
    'Mon 9-17',
    'Mon 25:00-26:00',
    'Foo 09:00-10:00',
    'Mon 09:00-10:00,',
  ])
    assert.equal(parseWindow(text), undefined, text);
});
