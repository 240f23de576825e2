-- Messages over the API: found by their recipient and by how they ended, and known by whom they were queued.

ALTER TABLE transactional_message
  ADD COLUMN email text,
  -- The key or session that asked for it; NULL: Camp itself.
  ADD COLUMN queued_by text;
-- Row-level security binds the owner too; for these two statements it does not. ALTER TABLE locks readers and writers of
-- messages out to the end of the migration.
ALTER TABLE transactional_message NO FORCE ROW LEVEL SECURITY;
ALTER TABLE message NO FORCE ROW LEVEL SECURITY;
UPDATE transactional_message t SET email = m.email FROM message m
  WHERE m.workspace_id = t.workspace_id AND m.campaign_id = t.campaign_id AND m.contact_id = t.id;
-- Those whose message is gone with the partition of its month are beyond their retention.
DELETE FROM transactional_message WHERE email IS NULL;
ALTER TABLE message FORCE ROW LEVEL SECURITY;
ALTER TABLE transactional_message FORCE ROW LEVEL SECURITY;
ALTER TABLE transactional_message ALTER COLUMN email SET NOT NULL;
-- A campaign's message is found by its contact instead, so that the many rows of `message` need no further index.
CREATE INDEX transactional_message_email ON transactional_message (workspace_id, email, campaign_id, id);

-- The ends that people look for are few among many: their events lead to them. Built as the index on events of 0017 is,
-- and new events wait as long.
CREATE INDEX event_of_ending ON event (workspace_id, kind, campaign_id, contact_id)
  WHERE kind IN ('rejected', 'uncertain', 'suppressed', 'expired', 'bounced', 'complained');
