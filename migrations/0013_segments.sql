-- Segments: people who are described rather than listed; tags; and what a campaign's audience is made of.

-- A constant default rewrites nothing. No index: who has a tag is asked of each contact in the order of its key, and
-- under row-level security Postgres uses no GIN index for arrays anyway (its operators are not leakproof).
ALTER TABLE contact ADD COLUMN tags text[] NOT NULL DEFAULT '{}';

CREATE TABLE segment (
  workspace_id uuid NOT NULL,
  id uuid NOT NULL,
  name text NOT NULL,
  -- `Group` in server/audience/segment-rules.ts.
  rules jsonb NOT NULL CHECK (jsonb_typeof(rules) = 'object'),
  -- Counts changes: what an ETag names.
  version integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (workspace_id, id),
  UNIQUE (workspace_id, name)
);
CALL protect_tenant_table('segment');

-- The audience: whoever is subscribed to one of the lists or described by one of the segments, without whoever is on an
-- excluded list or in an excluded segment.
ALTER TABLE campaign
  ADD COLUMN segment_ids uuid[] NOT NULL DEFAULT '{}',
  ADD COLUMN excluded_segment_ids uuid[] NOT NULL DEFAULT '{}',
  ADD COLUMN excluded_list_ids uuid[] NOT NULL DEFAULT '{}',
  -- What the segments said when the freeze began, and the instant that their relative dates count from: every chunk and
  -- every stage asks the same. `FrozenRules` in server/audience/freeze.ts.
  ADD COLUMN frozen_rules jsonb,
  ADD COLUMN freeze_began_at timestamptz;

-- These are built in the transaction of the migration, so writes of these two tables wait for it: about a second for each
-- million rows. CONCURRENTLY cannot be done in a transaction, nor on a partitioned table.
-- Whether a person is subscribed to anything at all.
CREATE INDEX subscription_of_contact ON subscription (workspace_id, contact_id);
-- What a person did or what became of their mail, since when: one probe a month, however much was sent to them.
CREATE INDEX event_of_contact ON event (workspace_id, contact_id, kind, at);
