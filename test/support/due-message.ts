/** A claimed message, as the queue hands it to a delivery. */
import type { DueMessage } from '../../server/delivery/deliver.ts';
import { newId } from '../../server/kernel/ids.ts';

export function dueMessage(overrides: Partial<DueMessage> = {}): DueMessage {
  return {
    workspaceId: newId(),
    campaignId: newId(),
    contactId: newId(),
    lane: 0,
    email: 'ann@city.example',
    name: 'Ann',
    attributes: {},
    attempt: 1,
    deferrals: 0,
    suppressedBy: null,
    secondsLeft: 3_600,
    ...overrides,
  };
}
