-- Limits that all workers share, per source address and target (a mailbox provider or a site), and what was learned of
-- them. No tenant's data: how a provider treats our address is the same for everybody who sends from it.

CREATE TABLE shape (
  -- '' when the machine's default address is used.
  source text NOT NULL,
  -- 'provider google', 'site mx.acme.example'.
  target text NOT NULL,
  -- As the rules say.
  connections integer NOT NULL CHECK (connections > 0),
  messages_per_connection integer NOT NULL CHECK (messages_per_connection > 0),
  messages_per_second float8 CHECK (messages_per_second > 0),
  messages_per_day integer CHECK (messages_per_day >= 0),
  -- What is tighter than the rules, or shut, and why: `Learned` in server/delivery/limits.ts.
  learned jsonb NOT NULL DEFAULT '{}',
  -- Messages taken since a learned limit was last changed.
  successes integer NOT NULL DEFAULT 0,
  slowed_at timestamptz,
  -- Of a slow rate: when the next message may go, whoever sends it.
  next_at timestamptz,
  -- In UTC, and the messages sent on it.
  day date NOT NULL DEFAULT '-infinity',
  sent_today integer NOT NULL DEFAULT 0,
  changed_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (source, target)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
GRANT SELECT, INSERT, UPDATE, DELETE ON shape TO camp_system;

-- A worker's part of a target's limits, until expires_at. Read and written under the lock of the target's shape. The
-- lease is shorter than a worker's own, so that a dead worker's parts are free before its row is.
CREATE TABLE share (
  source text NOT NULL,
  target text NOT NULL,
  worker_id uuid NOT NULL,
  -- Connections that it could use, and that it may hold.
  wanted integer NOT NULL,
  connections integer NOT NULL,
  -- Messages a second that it could send (NULL: more than it may), may send, and has sent.
  wanted_per_second float8,
  per_second float8 NOT NULL,
  sent_per_second float8 NOT NULL,
  -- Of the day's messages: taken and not yet sent.
  tokens integer NOT NULL,
  expires_at timestamptz NOT NULL,
  PRIMARY KEY (source, target, worker_id)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
GRANT SELECT, INSERT, UPDATE, DELETE ON share TO camp_system;
