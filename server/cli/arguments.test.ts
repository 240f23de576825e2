import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readDuration, readPairs, readSender, readTime } from './arguments.ts';

test('a sender may have a name, with or without quotation marks', () => {
  const email = 'news@acme.example';
  assert.deepEqual(readSender('Acme News <news@acme.example>', '--from'), { name: 'Acme News', email });
  assert.deepEqual(readSender('"Acme, Inc." <News@ACME.example>', '--from'), { name: 'Acme, Inc.', email });
  assert.deepEqual(readSender('news@acme.example', '--from'), { email });
  assert.deepEqual(readSender('<news@acme.example>', '--from'), { email });
});

test('a time span has a unit, and an end', () => {
  assert.equal(readDuration('90s', '--give-up'), 90);
  assert.equal(readDuration('30m', '--give-up'), 1_800);
  assert.equal(readDuration('2d', '--give-up'), 172_800);
  for (const text of ['', '48', 'h', '1.5h', '0s', '-1h', '31d'])
    assert.throws(() => readDuration(text, '--give-up'), /write a time up to 30 days/, text);
});

test('a time is a date with a time of day, not anything that a computer could read as one', () => {
  assert.equal(readTime('2030-01-31T09:00:00+02:00', '--at').toISOString(), '2030-01-31T07:00:00.000Z');
  for (const text of ['5', 'noon', '2030-13-01T00:00:00Z'])
    assert.throws(() => readTime(text, '--at'), /--at/, text);
});

test('a pair keeps what follows its first equals sign', () => {
  assert.deepEqual(readPairs(['city=Town', 'formula=a=b'], '--map'), { city: 'Town', formula: 'a=b' });
  for (const text of ['city', '=Town', 'city='])
    assert.throws(() => readPairs([text], '--map'), /name=value/, text);
});
