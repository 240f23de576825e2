/**
 * What is posted: `{type, version, timestamp, data}`. Small, with ids by which the API tells the rest. Fields may be added to
 * a version; what is there keeps its name and meaning.
 */
import { messageIdOf } from '../queue/message-ids.ts';

const VERSION = 1;

export interface Event {
  type: string;
  occurredAt: Date;
  data: Record<string, unknown>;
}

/** The same bytes at every attempt. */
export function payloadOf({ type, occurredAt, data }: Event): string {
  const shown = type.startsWith('message.') ? messageData(data) : data;
  return JSON.stringify({ type, version: VERSION, timestamp: occurredAt.toISOString(), data: shown });
}

/** As outcomes/queries.ts wrote it. A message of its own has neither campaign nor contact. */
function messageData({ campaign_id, contact_id, transactional, attempt, rule, detail }: Event['data']) {
  const key = { campaignId: String(campaign_id), contactId: String(contact_id) };
  return {
    message_id: messageIdOf(key),
    campaign_id: transactional ? null : campaign_id,
    contact_id: transactional ? null : contact_id,
    attempt,
    rule,
    detail,
  };
}
