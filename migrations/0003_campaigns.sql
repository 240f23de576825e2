-- Campaigns, their messages, what happened to them, and the counters of it.

CREATE TABLE campaign (
  workspace_id uuid NOT NULL,
  id uuid NOT NULL,
  name text NOT NULL,
  state text NOT NULL DEFAULT 'draft' CHECK (state IN
    ('draft', 'scheduled', 'starting', 'sending', 'paused', 'finishing', 'finished', 'cancelled', 'failed')),
  list_ids uuid[] NOT NULL,
  from_name text,
  from_email text NOT NULL,
  reply_to text,
  template_name text NOT NULL,
  template_body text NOT NULL,
  give_up_seconds integer NOT NULL DEFAULT 172800 CHECK (give_up_seconds > 0),
  created_at timestamptz NOT NULL DEFAULT now(),
  scheduled_at timestamptz,
  started_at timestamptz,
  finished_at timestamptz,
  state_changed_at timestamptz NOT NULL DEFAULT now(),
  failure text,
  -- Freeze: the position up to which the audience has become messages, moved with the rows that it describes.
  frozen_list_count integer NOT NULL DEFAULT 0,
  frozen_contact_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
  frozen_at timestamptz,
  audience bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (workspace_id, id)
);
CALL protect_tenant_table('campaign');

-- One row per recipient: the key is the promise that no contact gets a campaign twice. Partitioned by the month in
-- which the campaign was made (its id is a UUIDv7), so that retention is DROP and every statement that names a
-- campaign touches one partition.
--   due_at    set while the message waits (queued, deferred): the claim index holds those rows only
--   worker_id set while a worker owns it (claimed, committing): the recovery index holds those rows only
CREATE TABLE message (
  workspace_id uuid NOT NULL,
  campaign_id uuid NOT NULL,
  contact_id uuid NOT NULL,
  due_at timestamptz,
  worker_id uuid,
  lane smallint NOT NULL,
  -- Counts claims; with worker_id it fences every later write.
  attempt integer NOT NULL DEFAULT 0,
  -- Counts temporary failures of this message's own; drives its back-off. A route's trouble is not counted here.
  deferrals smallint NOT NULL DEFAULT 0,
  -- The give-up age counts from here, so that neither a pause nor a long campaign spends it.
  first_deferred_at timestamptz,
  state text NOT NULL CHECK (state IN ('queued', 'claimed', 'committing', 'accepted', 'deferred', 'rejected',
    'uncertain', 'suppressed', 'cancelled', 'expired', 'bounced', 'complained')),
  email text NOT NULL,
  PRIMARY KEY (workspace_id, campaign_id, contact_id),
  CONSTRAINT waiting_is_due CHECK ((due_at IS NOT NULL) = (state IN ('queued', 'deferred'))),
  CONSTRAINT owned_is_in_flight CHECK ((worker_id IS NOT NULL) = (state IN ('claimed', 'committing')))
) PARTITION BY RANGE (campaign_id);
-- Claim order, column for column.
CREATE INDEX message_claim ON message (workspace_id, campaign_id, lane, due_at, contact_id) WHERE due_at IS NOT NULL;
CREATE INDEX message_in_flight ON message (workspace_id, worker_id, campaign_id) WHERE worker_id IS NOT NULL;
CALL protect_tenant_table('message');

-- What happened, append-only. `at` is the transaction's time: an event and the state that it explains commit together.
CREATE TABLE event (
  workspace_id uuid NOT NULL,
  campaign_id uuid NOT NULL,
  contact_id uuid NOT NULL,
  at timestamptz NOT NULL DEFAULT now(),
  kind text NOT NULL,
  attempt integer NOT NULL,
  -- The raw reply or the error, and the rule that classified it.
  detail text,
  rule text
) PARTITION BY RANGE (at);
CREATE INDEX event_of_message ON event (workspace_id, campaign_id, contact_id);
CALL protect_tenant_table('event');

-- How many messages of a campaign are in each state, kept by the transactions that move them. Shards keep writers
-- apart; the sum over shards is exact at every instant, a single shard may be negative.
CREATE TABLE campaign_count (
  workspace_id uuid NOT NULL,
  campaign_id uuid NOT NULL,
  state text NOT NULL,
  shard smallint NOT NULL,
  n bigint NOT NULL,
  PRIMARY KEY (workspace_id, campaign_id, state, shard)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
CALL protect_tenant_table('campaign_count');

-- The smallest UUIDv7 of an instant.
CREATE FUNCTION uuid_floor(instant timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN rpad(lpad(to_hex((extract(epoch FROM instant) * 1000)::bigint), 12, '0'), 32, '0')::uuid;

-- Makes the partitions of one month; the caller may be any role, the tables belong to the owner of this function.
CREATE FUNCTION create_month_partitions(month timestamptz) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE
  month_from timestamptz := date_trunc('month', month, 'UTC');
  month_to timestamptz := date_trunc('month', month_from + interval '32 days', 'UTC');
  suffix text := to_char(month_from AT TIME ZONE 'UTC', 'YYYY_MM');
BEGIN
  -- Two processes that start at once must not both create.
  PERFORM pg_advisory_xact_lock(7205759403792793601);
  -- Made beside and then attached: creating a partition in place would lock out everybody who reads or writes messages.
  IF to_regclass('message_' || suffix) IS NULL THEN
    EXECUTE format('CREATE TABLE %I (LIKE message INCLUDING ALL)
      WITH (fillfactor = 75, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0)', 'message_' || suffix);
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', 'message_' || suffix);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', 'message_' || suffix);
    EXECUTE format('ALTER TABLE message ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
      'message_' || suffix, uuid_floor(month_from), uuid_floor(month_to));
  END IF;
  IF to_regclass('event_' || suffix) IS NULL THEN
    EXECUTE format('CREATE TABLE %I (LIKE event INCLUDING ALL)', 'event_' || suffix);
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', 'event_' || suffix);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', 'event_' || suffix);
    EXECUTE format('ALTER TABLE event ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
      'event_' || suffix, month_from, month_to);
  END IF;
END $$;
REVOKE EXECUTE ON FUNCTION create_month_partitions(timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION create_month_partitions(timestamptz) TO camp_app, camp_system;

SELECT create_month_partitions(now() + make_interval(months => n)) FROM generate_series(0, 2) n;
