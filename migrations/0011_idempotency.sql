-- What a client asked for under a key of its own, and what it was answered: asked again, it gets the same answer and
-- nothing happens twice.

CREATE TABLE idempotency_key (
  workspace_id uuid NOT NULL,
  key text NOT NULL,
  -- SHA-256 over the request. Never the request: it may hold personal data.
  fingerprint bytea NOT NULL CHECK (length(fingerprint) = 32),
  -- running: somebody works at it until lease_until; unknown: nobody can know yet whether it happened.
  state text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'unknown', 'finished')),
  -- Counts its owners. Every write of an owner names it.
  epoch integer NOT NULL DEFAULT 1,
  lease_until timestamptz,
  -- How far the work had come that spans several transactions; its next owner goes on there.
  recovery_point text,
  -- Where to ask how an unknown outcome came out.
  resource text,
  status smallint,
  -- json and not jsonb: replayed as it was written.
  headers json,
  body bytea,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (workspace_id, key),
  CHECK ((lease_until IS NOT NULL) = (state = 'running')),
  CHECK ((resource IS NOT NULL) = (state = 'unknown')),
  CHECK ((status IS NOT NULL AND headers IS NOT NULL AND body IS NOT NULL) = (state = 'finished'))
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);
CREATE INDEX idempotency_key_age ON idempotency_key (workspace_id, created_at);
CALL protect_tenant_table('idempotency_key');

-- How much of a limit on requests is spent, by the generic cell rate algorithm. No tenant's data, and worth nothing after a
-- crash of Postgres: all limits begin anew then.
CREATE UNLOGGED TABLE rate_limit (
  -- What is limited: key ID, workspace ID or address IP.
  name text PRIMARY KEY,
  per_second double precision NOT NULL,
  burst double precision NOT NULL,
  spent_until timestamptz NOT NULL,
  -- How many were asked for at last, and granted.
  granted double precision NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000);
GRANT SELECT, INSERT, UPDATE, DELETE ON rate_limit TO camp_system;
