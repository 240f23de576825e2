import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CampaignStatus } from '../campaigns/status.ts';
import { MESSAGE_STATES, type MessageState } from '../queue/states.ts';
import { FAILURE_KINDS } from '../sandbox/failures.ts';
import type { SandboxReport } from '../sandbox/report.ts';
import { addsUp } from './demo-report.ts';

const BY_FAILURE = Object.fromEntries(FAILURE_KINDS.map((kind) => [kind, 0])) as SandboxReport['byFailure'];

/** A demo of ten people: Camp says what `counts` says, the server accepted so many. */
function demo(counts: Partial<Record<MessageState, number>>, accepted: number, duplicates = 0) {
  const all = Object.fromEntries(MESSAGE_STATES.map((state) => [state, counts[state] ?? 0]));
  const campaign: CampaignStatus['campaign'] = {
    id: '00000000-0000-7000-8000-00000000000a',
    name: 'Demo',
    state: 'finished',
    audience: 10,
    createdAt: new Date(0),
    scheduledAt: null,
    startedAt: new Date(0),
    frozenAt: new Date(0),
    finishedAt: new Date(1_000),
    failure: null,
  };
  const status = { campaign, counts: all as CampaignStatus['counts'], routes: [] };
  const sandbox = { accepted, duplicates, acceptedDistinctRecipients: accepted, byFailure: BY_FAILURE };
  return { status, sandbox, totalMs: 1_000 };
}

test('the books agree when the server has what Camp calls accepted and at most the uncertain ones', () => {
  assert.equal(addsUp(demo({ accepted: 8, rejected: 1, uncertain: 1 }, 8)), true);
  assert.equal(addsUp(demo({ accepted: 8, rejected: 1, uncertain: 1 }, 9)), true);
});

test('the books do not agree when a message is lost, repeated, or sent unnoticed', () => {
  assert.equal(addsUp(demo({ accepted: 9, rejected: 1 }, 8)), false, 'lost');
  assert.equal(addsUp(demo({ accepted: 9, rejected: 1 }, 9, 1)), false, 'repeated');
  assert.equal(addsUp(demo({ accepted: 9, rejected: 1 }, 10)), false, 'unnoticed');
  assert.equal(addsUp(demo({ accepted: 9 }, 9)), false, 'not in the table');
});
