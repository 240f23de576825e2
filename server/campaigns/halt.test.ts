import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Counts, type HaltLimits, haltReason, ROLLOUT_HALT_LIMITS } from './halt.ts';

function reason(
  counts: Counts,
  { limits = ROLLOUT_HALT_LIMITS, since = {} }: { limits?: HaltLimits; since?: Counts } = {},
) {
  return haltReason(limits, counts, since);
}

test('more bounces than the limit halt a campaign, also when they come later; the limit itself does not', () => {
  assert.equal(reason({ accepted: 950, rejected: 50 }), undefined);
  assert.match(
    reason({ accepted: 949, rejected: 30, bounced: 21 }) ?? '',
    /51 bounces among 1000 .*\(5\.1 %; the limit is 5 %\)/,
  );
});

test('complaints halt it at far fewer', () => {
  assert.equal(reason({ accepted: 997, complained: 3 }), undefined);
  assert.match(reason({ accepted: 996, complained: 4 }) ?? '', /4 complaints among 1000/);
});

test('messages that a provider puts off halt it, and what was never tried does not count', () => {
  assert.equal(reason({ accepted: 700, deferred: 300 }), undefined);
  assert.match(reason({ accepted: 699, deferred: 301, queued: 9_000 }) ?? '', /301 deferrals among 1000/);
});

test('a few unlucky first messages do not halt it', () => {
  assert.equal(reason({ rejected: 5 }), undefined);
  assert.match(reason({ rejected: 6 }) ?? '', /6 bounces among 6 /);
  assert.equal(reason({ accepted: 10, complained: 3 }), undefined);
  assert.equal(reason({ deferred: 30 }), undefined);
});

test('what is not watched does not halt it', () => {
  const limits = { ...ROLLOUT_HALT_LIMITS, bounces: null };
  assert.equal(reason({ rejected: 1_000 }, { limits }), undefined);
});

test('when a person let it go on, only what came since counts', () => {
  const since = { accepted: 900, rejected: 100 };
  assert.equal(reason({ accepted: 1_850, rejected: 150 }, { since }), undefined);
  assert.match(reason({ accepted: 1_849, rejected: 151 }, { since }) ?? '', /51 bounces among 1000/);
});
