import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { PAYMENT_MOVES } from '../../server/billing/states.ts';
import { CAMPAIGN_MOVES } from '../../server/campaigns/states.ts';
import { MESSAGE_MOVES } from '../../server/queue/states.ts';

const document = readFileSync('ARCHITECTURE.md', 'utf8');

test('the diagram of a message’s life shows exactly the moves of the state machine', () => {
  assert.deepEqual(drawn("A message's life"), movesOf(MESSAGE_MOVES));
});

test('the diagram of a campaign’s life shows exactly the moves of the state machine', () => {
  assert.deepEqual(drawn("A campaign's life"), movesOf(CAMPAIGN_MOVES));
});

test('the diagram of a payment’s life shows exactly the moves of the state machine', () => {
  assert.deepEqual(drawn("A payment's life"), movesOf(PAYMENT_MOVES));
});

function drawn(heading: string): string[] {
  const section = document.split(/^## /m).find((part) => part.startsWith(heading)) ?? '';
  return [...section.matchAll(/^ {2}(\w+) --> (\w+)$/gm)].map(([, from, to]) => `${from} ${to}`).sort();
}

function movesOf(moves: Record<string, readonly string[]>): string[] {
  return Object.entries(moves)
    .flatMap(([from, next]) => next.map((to) => `${from} ${to}`))
    .sort();
}
