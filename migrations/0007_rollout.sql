-- How a campaign goes out: in stages, inside windows, at each recipient's own time, not faster than so; and who sent it
-- against the checklist.

ALTER TABLE campaign
  DROP CONSTRAINT campaign_state_check,
  ADD CONSTRAINT campaign_state_check CHECK (state IN ('draft', 'scheduled', 'starting', 'sending', 'paused',
    'holding', 'finishing', 'finished', 'cancelled', 'failed')),
  -- What {{ postal_address }} prints.
  ADD COLUMN postal_address text,
  -- An IANA name: of the window, and of recipients whose own is not known.
  ADD COLUMN timezone text NOT NULL DEFAULT 'UTC',
  -- As a person writes it: Mon-Fri 09:00-17:00.
  ADD COLUMN send_window text,
  -- What a clock on the wall shows: a message is due when it shows that where its recipient is.
  ADD COLUMN local_at timestamp,
  -- Shares of the audience in percent, growing up to 100. `stage` counts from 0: the one that is frozen or sent now.
  ADD COLUMN stages double precision[] NOT NULL DEFAULT '{100}',
  ADD COLUMN stage integer NOT NULL DEFAULT 0,
  -- The audience when the stage began.
  ADD COLUMN stage_audience bigint NOT NULL DEFAULT 0,
  -- Between two stages; NULL: until a person says so.
  ADD COLUMN hold_seconds integer CHECK (hold_seconds >= 0),
  ADD COLUMN holds_until timestamptz,
  -- Shares above which it halts by itself (`HaltLimits` in server/campaigns/halt.ts), and its counts when a person last
  -- let it go on: what was before that is judged.
  ADD COLUMN halt_limits jsonb,
  ADD COLUMN halt_since jsonb NOT NULL DEFAULT '{}';

-- Of a campaign that is sent at the recipient's own time: when that is, in each timezone that Postgres knows.
CREATE TABLE campaign_timezone (
  workspace_id uuid NOT NULL,
  campaign_id uuid NOT NULL,
  -- In lower case.
  name text NOT NULL,
  due_at timestamptz NOT NULL,
  PRIMARY KEY (workspace_id, campaign_id, name)
);
CALL protect_tenant_table('campaign_timezone');

-- Somebody sent a campaign that the checklist refused.
CREATE TABLE campaign_override (
  workspace_id uuid NOT NULL,
  campaign_id uuid NOT NULL,
  at timestamptz NOT NULL DEFAULT now(),
  by text NOT NULL,
  -- The red items: [{id, sentence}].
  items jsonb NOT NULL,
  PRIMARY KEY (workspace_id, campaign_id, at)
);
CALL protect_tenant_table('campaign_override');

-- When the lanes of one key may be claimed, and how fast all of them together. A key without a row: always, and as fast
-- as can be.
CREATE TABLE lane_gate (
  workspace_id uuid NOT NULL,
  key uuid NOT NULL,
  opens_at timestamptz NOT NULL DEFAULT '-infinity',
  closes_at timestamptz NOT NULL DEFAULT 'infinity',
  per_hour integer CHECK (per_hour > 0),
  -- Claims move it on by an hour / per_hour a row: what was allowed up to here is used up.
  spent_until timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (workspace_id, key)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
CALL protect_tenant_table('lane_gate');
CREATE POLICY every_workspace ON lane_gate FOR SELECT TO camp_system USING (true);
GRANT SELECT ON lane_gate TO camp_system;
