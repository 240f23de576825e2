/** The bench's own SQL: rows made in numbers, past the ways that the product has for it. */
import type { Tx } from '../server/kernel/database.ts';
import { sql } from '../server/kernel/sql.ts';

/** Numbers of contacts, both ends included. */
export interface Range {
  first: number;
  last: number;
}

/** How many domains the addresses are at, unless told: example0.example and on. */
export const DOMAINS = 97;

const addressAt = (domains: number) => sql`'person' || i || '@example' || i % ${domains}::int || '.example'`;
const ADDRESS = addressAt(DOMAINS);
/** As a freeze leaves them: a chunk of messages is due at one instant. */
const CHUNK_ROWS = 20_000;

export function insertSubscribers(
  tx: Tx,
  workspaceId: string,
  listId: string,
  { first, last, domains }: Range & { domains: number },
) {
  return tx.query(sql`
    WITH person AS (
      INSERT INTO contact (workspace_id, id, email, name, attributes)
      SELECT ${workspaceId}, uuidv7(), ${addressAt(domains)}, 'Ann Person ' || i,
        jsonb_build_object('first_name', 'Ann' || i, 'city', 'Köln')
      FROM generate_series(${first}::int, ${last}::int) i RETURNING id)
    INSERT INTO subscription (workspace_id, list_id, contact_id, status)
    SELECT ${workspaceId}, ${listId}, id, 'subscribed' FROM person`);
}

/** Messages that are due. Where there is a contact with that number the message is to it, else to nobody. */
export function insertDueMessages(tx: Tx, workspaceId: string, campaignId: string, { first, last }: Range) {
  return tx.query(sql`
    INSERT INTO message (workspace_id, campaign_id, contact_id, email, lane, state, due_at)
    SELECT ${workspaceId}, ${campaignId}, coalesce(c.id, uuidv7()), ${ADDRESS}, 0, 'queued',
      now() - interval '1 hour' + (i - 1) / ${CHUNK_ROWS} * interval '100 ms'
    FROM generate_series(${first}::int, ${last}::int) i
    LEFT JOIN LATERAL (SELECT id FROM contact WHERE workspace_id = ${workspaceId} AND email = ${ADDRESS} LIMIT 1) c
      ON true`);
}

/** Keeps autovacuum from cleaning up behind the claims: the bench wants them to meet the dead rows. */
export function keepDeadMessages(tx: Tx) {
  return tx.query(sql`
    DO $$ DECLARE part regclass; BEGIN
      FOR part IN SELECT relid FROM pg_partition_tree('message') WHERE isleaf LOOP
        EXECUTE format('ALTER TABLE %s SET (autovacuum_enabled = false)', part);
      END LOOP;
    END $$`);
}

export async function setting(tx: Tx, name: string): Promise<string | undefined> {
  const [row] = await tx.query<{ value: string }>(sql`SELECT current_setting(${name}) AS value`);
  return row?.value;
}

/** As the API keeps a message of its own. */
export function insertMail(
  tx: Tx,
  mail: { workspaceId: string; campaignId: string; id: string; body: string },
) {
  return tx.query(sql`
    INSERT INTO transactional_message (workspace_id, campaign_id, id, email, body)
    VALUES (${mail.workspaceId}, ${mail.campaignId}, ${mail.id}, 'person@city.example', ${mail.body})`);
}
