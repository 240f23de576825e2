import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type PlanFlags, readPlan } from './campaign-plan.ts';
import { CommandError } from './errors.ts';

test('what is said is what is planned', () => {
  const flags = {
    timezone: 'Europe/Berlin',
    window: 'Mon-Fri 09:00-17:00',
    stages: '1%, 10%,100%',
    hold: '90m',
    haltBounces: '2.5%',
    haltComplaints: 'off',
    maxPerHour: '5000',
  };
  assert.deepEqual(readPlan(flags), {
    timezone: 'Europe/Berlin',
    window: 'Mon-Fri 09:00-17:00',
    stages: [1, 10, 100],
    holdSeconds: 5_400,
    haltLimits: { bounces: 0.025, complaints: null },
    maxPerHour: 5_000,
  });
  assert.deepEqual(readPlan({ stages: '50%,100%', hold: 'manual' }), {
    stages: [50, 100],
    holdSeconds: null,
  });
  assert.deepEqual(readPlan({ atLocal: '2030-01-31 09:00' }), { atLocal: '2030-01-31T09:00' });
  assert.deepEqual(readPlan({}), {});
});

test('what cannot be a plan is answered with what can', () => {
  const refused: [PlanFlags, RegExp][] = [
    [{ at: '2020-01-31T09:00:00Z' }, /--at ".*" is in the past/],
    [{ atLocal: '2030-02-30T09:00' }, /--at-local "2030-02-30T09:00" cannot be used: .*2030-01-31T09:00\./],
    [{ atLocal: '2030-01-31T09:00Z' }, /without a zone/],
    [{ timezone: 'Nowhere/Land' }, /--timezone "Nowhere\/Land" is not known: .*Europe\/Berlin/],
    [{ timezone: '+02:00' }, /is not known/],
    [{ window: '9 to 5' }, /--window "9 to 5" cannot be used: .*"Mon-Fri 09:00-17:00"/],
    [{ stages: '1%,10%' }, /--stages "1%,10%" cannot be used: .*1%,10%,100%/],
    [{ stages: '10%,1%,100%' }, /cannot be used/],
    [{ stages: '1,100' }, /cannot be used/],
    [{ hold: '30m' }, /--hold is between stages: say --stages/],
    [{ stages: '1%,100%', hold: 'soon' }, /--hold "soon" cannot be used/],
    [{ haltDeferrals: '30' }, /--halt-deferrals "30" cannot be used: write a share such as 5%, or off/],
    [{ haltBounces: '0%' }, /cannot be used/],
    [{ maxPerHour: '0' }, /--max-per-hour is "0", but must be a whole number from 1/],
  ];
  for (const [flags, sentence] of refused)
    assert.throws(
      () => readPlan(flags),
      (error) => error instanceof CommandError && sentence.test(error.message),
      JSON.stringify(flags),
    );
});
