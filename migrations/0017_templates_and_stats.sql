-- Templates, versions of drafts, and what screens show of campaigns without reading their messages.

CREATE TABLE template (
  workspace_id uuid NOT NULL,
  id uuid NOT NULL,
  -- As a file is named: its extension says MJML, HTML or text; without one, the source's beginning does.
  name text NOT NULL,
  source text NOT NULL,
  -- Counts its changes: who changes it says which one they have seen.
  version integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (workspace_id, id)
);
CALL protect_tenant_table('template');

-- As of a template, while it is a draft.
ALTER TABLE campaign ADD COLUMN version integer NOT NULL DEFAULT 1;
CREATE INDEX campaign_of_state ON campaign (workspace_id, state, id) WHERE kind = 'campaign';

-- How many messages of campaigns came into a state on a day (UTC), written by the transactions that move them. Unlike in
-- campaign_count nothing is taken away: a message that is accepted today and bounces tomorrow is in both days.
CREATE TABLE day_count (
  workspace_id uuid NOT NULL,
  day date NOT NULL,
  state text NOT NULL,
  shard smallint NOT NULL,
  n bigint NOT NULL,
  PRIMARY KEY (workspace_id, day, state, shard)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
CALL protect_tenant_table('day_count');

-- Refusals of a campaign in the order in which they came. Built in the transaction of the migration, so new events wait
-- for it, and with them all sending: about a quarter of a second for each million events. CONCURRENTLY cannot be done on a
-- partitioned table.
CREATE INDEX event_of_refusal ON event (workspace_id, campaign_id, at) WHERE phase IS NOT NULL;

-- Where a campaign's messages go and what was answered there, added up by a job: see server/campaigns/breakdown.ts.
CREATE TABLE campaign_breakdown (
  workspace_id uuid NOT NULL,
  campaign_id uuid NOT NULL,
  made_at timestamptz NOT NULL,
  -- [{name, messages, counts: {state: n}}] and [{kind, rule, replies, latest_at, example}], the largest first.
  destinations jsonb NOT NULL,
  refusals jsonb NOT NULL,
  PRIMARY KEY (workspace_id, campaign_id)
);
CALL protect_tenant_table('campaign_breakdown');
GRANT SELECT ON destination TO camp_app;
