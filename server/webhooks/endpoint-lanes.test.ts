import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newId } from '../kernel/ids.ts';
import { EndpointLanes, FAILING_SLOTS, type Lane, SLOTS } from './endpoint-lanes.ts';
import type { DueEndpoint } from './queries-deliveries.ts';

function due(isFailing: boolean, workspaceId = newId()): DueEndpoint {
  return { workspaceId, endpointId: newId(), isFailing };
}

function dueOfOne(workspaceId: string, count: number, isFailing = false): DueEndpoint[] {
  return Array.from({ length: count }, () => due(isFailing, workspaceId));
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

test('however many endpoints a workspace has, it holds no more slots than it leaves free for others', () => {
  const lanes = new EndpointLanes();
  const [one, other] = [newId(), newId()];
  assert.equal(begin(lanes, dueOfOne(one, 100)), 24);
  assert.equal(begin(lanes, dueOfOne(other, 100)), 12);
  assert.equal(begin(lanes, dueOfOne(one, 100)), 0);
  assert.equal(begin(lanes, dueOfOne(one, 100, true)), 8);
  assert.equal(begin(lanes, dueOfOne(other, 100, true)), 4);
});

test('two workspaces whose many endpoints answer at the last moment make a third wait for nothing', () => {
  const lanes = new EndpointLanes();
  const slow = [...dueOfOne(newId(), 60), ...dueOfOne(newId(), 60)];
  const quick = due(false);
  let posts: { lane: Lane; endsAt: number }[] = [];
  let heldUpMs = 0;
  for (let now = 0, isWaitingSince = 0; now < 120_000; now += 50) {
    for (const { lane, endsAt } of posts) if (endsAt <= now) lanes.end(lane, true);
    posts = posts.filter(({ endsAt }) => endsAt > now);
    for (const endpoint of lanes.inTurn([...slow, quick])) {
      const room = Math.min(lanes.room(endpoint), endpoint === quick ? 1 : Number.POSITIVE_INFINITY);
      if (room <= 0) continue;
      const lane = lanes.take(endpoint, room);
      const endsAt = now + (endpoint === quick ? 40 : 14_500);
      for (let post = 0; post < room; post += 1) posts.push({ lane, endsAt });
      if (endpoint === quick) isWaitingSince = now + 50;
    }
    heldUpMs = Math.max(heldUpMs, now + 50 - isWaitingSince);
  }
  assert.equal(heldUpMs, 0);
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
