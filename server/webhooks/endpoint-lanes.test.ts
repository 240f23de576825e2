import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newId } from '../kernel/ids.ts';
import { EndpointLanes, FAILING_SLOTS, SLOTS } from './endpoint-lanes.ts';
import type { DueEndpoint } from './queries-deliveries.ts';

function due(isFailing: boolean): DueEndpoint {
  return { workspaceId: newId(), endpointId: newId(), isFailing };
}

/** Begins as much as there is room for; gives how much. */
function begin(lanes: EndpointLanes, endpoints: DueEndpoint[]): number {
  return endpoints.reduce((sum, endpoint) => {
    const room = Math.max(0, lanes.room(endpoint));
    if (room > 0) lanes.take(endpoint, room);
    return sum + room;
  }, 0);
}

test('however many endpoints fail, they leave the slots of those that answer free', () => {
  const lanes = new EndpointLanes();
  const failing = Array.from({ length: 100 }, () => due(true));
  const well = Array.from({ length: 100 }, () => due(false));
  assert.equal(begin(lanes, failing), FAILING_SLOTS);
  assert.equal(begin(lanes, well), SLOTS - FAILING_SLOTS);
});

test('an endpoint proves itself: one post at a time, one more with each success, and one again after a failure', () => {
  const lanes = new EndpointLanes();
  const endpoint = due(false);
  const rooms = [];
  for (let post = 0; post < 10; post += 1) {
    rooms.push(lanes.room(endpoint));
    lanes.end(lanes.take(endpoint, 1), true);
  }
  lanes.end(lanes.take(endpoint, 1), false);
  rooms.push(lanes.room(endpoint));
  assert.deepEqual(rooms, [1, 2, 3, 4, 5, 6, 7, 8, 8, 8, 1]);
  const lane = lanes.take(endpoint, 1);
  assert.equal(lanes.room(endpoint), 0);
  lanes.giveBack(lane, 1);
  assert.equal(lanes.room(endpoint), 1);
});

test('whoever had no turn for the longest comes first', () => {
  const lanes = new EndpointLanes();
  const [a, b, c] = [due(false), due(false), due(false)] as const;
  lanes.take(a, 1);
  lanes.take(b, 1);
  lanes.take(a, 1);
  assert.deepEqual(lanes.inTurn([a, b, c]), [c, b, a]);
});
