-- Webhooks: whom a workspace tells of what happens, and one row for each thing that each of them is to be told.

CREATE TABLE webhook_endpoint (
  workspace_id uuid NOT NULL,
  id uuid NOT NULL,
  url text NOT NULL,
  description text NOT NULL DEFAULT '',
  -- The types that it wants. None: it was deleted, and stays until its deliveries are.
  events text[] NOT NULL DEFAULT '{}',
  -- Sealed, the newest first: [{"id", "sealed", "until"}]; `until` of one that was replaced.
  secrets jsonb NOT NULL DEFAULT '[]',
  created_at timestamptz NOT NULL DEFAULT now(),
  -- Since the last success: when it first failed, and how often.
  failing_since timestamptz,
  failures integer NOT NULL DEFAULT 0,
  disabled_at timestamptz,
  disabled_for text CONSTRAINT webhook_disabled_for CHECK (disabled_for IN ('asked', 'gone', 'failing')),
  deleted_at timestamptz,
  PRIMARY KEY (workspace_id, id),
  CHECK ((failing_since IS NULL) = (failures = 0)),
  CHECK ((disabled_at IS NULL) = (disabled_for IS NULL)),
  CHECK (deleted_at IS NULL OR disabled_at IS NOT NULL)
);
CALL protect_tenant_table('webhook_endpoint');
CREATE POLICY every_workspace ON webhook_endpoint FOR SELECT TO camp_system USING (true);
GRANT SELECT (workspace_id, id, failing_since) ON webhook_endpoint TO camp_system;

-- The outbox: written in the transaction of what it tells of, claimed and settled like jobs. Its id is the webhook-id of
-- every attempt.
CREATE TABLE webhook_delivery (
  workspace_id uuid NOT NULL,
  id uuid NOT NULL DEFAULT gen_random_uuid(),
  endpoint_id uuid NOT NULL,
  type text NOT NULL,
  data jsonb NOT NULL DEFAULT '{}',
  occurred_at timestamptz NOT NULL DEFAULT now(),
  state text NOT NULL DEFAULT 'waiting'
    CONSTRAINT webhook_delivery_state CHECK (state IN ('waiting', 'claimed', 'delivered', 'failed')),
  due_at timestamptz DEFAULT now(),
  worker_id uuid,
  -- Of the claim: the fence.
  attempt integer NOT NULL DEFAULT 0,
  -- Steps of the schedule that failed.
  tries smallint NOT NULL DEFAULT 0,
  -- What each attempt met: Attempt in server/webhooks/attempt.ts.
  attempts jsonb NOT NULL DEFAULT '[]',
  PRIMARY KEY (workspace_id, id),
  CHECK ((due_at IS NOT NULL) = (state = 'waiting')),
  CHECK ((worker_id IS NOT NULL) = (state = 'claimed'))
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500);
CREATE INDEX webhook_delivery_due ON webhook_delivery (workspace_id, endpoint_id, due_at, id) WHERE due_at IS NOT NULL;
CREATE INDEX webhook_delivery_in_flight ON webhook_delivery (workspace_id, worker_id) WHERE worker_id IS NOT NULL;
CREATE INDEX webhook_delivery_of_endpoint ON webhook_delivery (workspace_id, endpoint_id, occurred_at, id);
CREATE INDEX webhook_delivery_failed ON webhook_delivery (workspace_id, endpoint_id, occurred_at, id) WHERE state = 'failed';
CALL protect_tenant_table('webhook_delivery');
CREATE POLICY every_workspace ON webhook_delivery FOR SELECT TO camp_system USING (true);
GRANT SELECT (workspace_id, endpoint_id, due_at) ON webhook_delivery TO camp_system;
