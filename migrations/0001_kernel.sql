-- Roles, workspaces, worker processes, lanes and jobs: what every later table stands on.

-- Roles belong to the cluster, not to the database: another database may have made them already.
DO $$ BEGIN
  CREATE ROLE camp_app NOLOGIN NOBYPASSRLS;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;
DO $$ BEGIN
  CREATE ROLE camp_system NOLOGIN NOBYPASSRLS;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;
DO $$ BEGIN
  IF NOT pg_has_role(current_user, 'camp_app', 'USAGE') OR NOT pg_has_role(current_user, 'camp_system', 'USAGE') THEN
    EXECUTE format('GRANT camp_app, camp_system TO %I', current_user);
  END IF;
END $$;
GRANT USAGE ON SCHEMA public TO camp_app, camp_system;

-- Row-level security, forced, for one tenant table, and the grants that go with it. When nobody said which workspace the
-- transaction may see, the setting is empty, the comparison is with NULL, and nothing is seen. In a sub-select it is
-- computed once a statement, and written out here it costs less to plan than a function.
CREATE PROCEDURE protect_tenant_table(table_name text) LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', table_name);
  EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', table_name);
  EXECUTE format('CREATE POLICY own_workspace ON %I TO camp_app USING (workspace_id = (SELECT nullif(current_setting(''camp.workspace_id'', true), '''')::uuid))', table_name);
  EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO camp_app', table_name);
END $$;

-- What is true of the whole installation, once. The secret signs links and Message-IDs when CAMP_SECRET does not.
CREATE TABLE installation (
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  secret bytea NOT NULL DEFAULT sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())),
  -- Writes of workers that had been declared dead: refused by the fence, and counted.
  zombie_writes bigint NOT NULL DEFAULT 0
);
INSERT INTO installation DEFAULT VALUES;
GRANT SELECT, UPDATE ON installation TO camp_system;

CREATE TABLE workspace (
  workspace_id uuid PRIMARY KEY,
  name text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);
CALL protect_tenant_table('workspace');
CREATE POLICY every_workspace ON workspace FOR SELECT TO camp_system USING (true);
GRANT SELECT ON workspace TO camp_system;

-- A worker process. dead_at is set by whoever noticed that its heartbeat stopped; then it may never come back.
CREATE TABLE worker (
  id uuid PRIMARY KEY,
  host text NOT NULL,
  pid integer NOT NULL,
  started_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL,
  dead_at timestamptz
);
GRANT SELECT, INSERT, UPDATE, DELETE ON worker TO camp_system;

-- True while nobody declared the worker dead. Its row cannot be locked for its deletion until the caller's transaction
-- ends: what that one claims is there when the rows of the worker are recovered for the last time.
CREATE FUNCTION hold_worker(worker_id uuid) RETURNS boolean LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp
  AS 'SELECT true FROM worker WHERE id = worker_id AND dead_at IS NULL FOR KEY SHARE';
REVOKE EXECUTE ON FUNCTION hold_worker(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION hold_worker(uuid) TO camp_app;

-- A way out (this relay, that pool of addresses). Its trouble is its own: it pauses the lanes that use it.
CREATE TABLE route (
  workspace_id uuid NOT NULL,
  name text NOT NULL,
  failures integer NOT NULL DEFAULT 0,
  paused_until timestamptz,
  reason text,
  PRIMARY KEY (workspace_id, name)
);
CALL protect_tenant_table('route');
CREATE POLICY every_workspace ON route FOR SELECT TO camp_system USING (true);
GRANT SELECT ON route TO camp_system;

-- A line of due work of one workspace: one kind of job, or one campaign at one mailbox provider. Fairness is decided
-- here, on thousands of rows, never on millions. next_due_at is never later than the earliest due row of the line
-- (NULL: nothing waits); only a holder of the row's lock may move it later.
CREATE TABLE lane (
  workspace_id uuid NOT NULL,
  queue text NOT NULL CHECK (queue IN ('message', 'job')),
  key uuid NOT NULL,
  number smallint NOT NULL,
  route text,
  open boolean NOT NULL DEFAULT true,
  next_due_at timestamptz,
  served_at timestamptz NOT NULL DEFAULT '-infinity',
  PRIMARY KEY (workspace_id, queue, key, number)
);
CREATE INDEX lane_due ON lane (queue, served_at) WHERE open AND next_due_at IS NOT NULL;
CALL protect_tenant_table('lane');
CREATE POLICY every_workspace ON lane FOR SELECT TO camp_system USING (true);
GRANT SELECT ON lane TO camp_system;

CREATE TABLE job (
  workspace_id uuid NOT NULL,
  id uuid NOT NULL,
  kind text NOT NULL,
  -- Two unfinished jobs of one kind never share a key: enqueuing twice is enqueuing once.
  key text,
  args jsonb NOT NULL DEFAULT '{}',
  state text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'claimed', 'done', 'dead')),
  due_at timestamptz,
  worker_id uuid,
  attempt integer NOT NULL DEFAULT 0,
  failures integer NOT NULL DEFAULT 0,
  last_error text,
  created_at timestamptz NOT NULL DEFAULT now(),
  finished_at timestamptz,
  PRIMARY KEY (workspace_id, id),
  CHECK ((due_at IS NOT NULL) = (state = 'queued')),
  CHECK ((worker_id IS NOT NULL) = (state = 'claimed'))
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500);
CREATE INDEX job_claim ON job (workspace_id, due_at, id) WHERE due_at IS NOT NULL;
CREATE INDEX job_in_flight ON job (workspace_id, worker_id) WHERE worker_id IS NOT NULL;
CREATE UNIQUE INDEX job_key ON job (workspace_id, kind, key) WHERE finished_at IS NULL;
CREATE INDEX job_finished ON job (workspace_id, finished_at) WHERE finished_at IS NOT NULL;
CALL protect_tenant_table('job');
