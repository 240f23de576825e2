-- What a refusal was, so that it can be judged again when the reply table has learned: where it was met, and what it said
-- of the address. A suppression names the event that it came from.

ALTER TABLE event
  -- Set when `detail` is a server's reply: what it was an answer to, and who spoke (NULL: a relay).
  ADD COLUMN phase text,
  ADD COLUMN mx_host text,
  -- Hash of the reply without what differs from message to message.
  ADD COLUMN template text,
  -- What it says of the address; counted when a suppression needs more than one.
  ADD COLUMN trouble text CHECK (trouble IN ('dead', 'dead-domain', 'ambiguous', 'soft'));
-- Refusals in the order in which they came; acceptances are in neither index.
CREATE INDEX event_of_reply ON event (workspace_id, at, campaign_id, contact_id, attempt) WHERE phase IS NOT NULL;
CREATE INDEX event_of_trouble ON event (workspace_id, contact_id, at) WHERE trouble IS NOT NULL;

-- The event of that attempt; it has the same time.
ALTER TABLE suppression
  ADD COLUMN campaign_id uuid,
  ADD COLUMN contact_id uuid,
  ADD COLUMN attempt integer;
