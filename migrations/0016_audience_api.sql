-- The audience over HTTP: pages of contacts in the order of an index, counts of a list without counting, and what an
-- upload leaves to look at.

-- Addresses are ASCII and compare byte by byte: one index serves equality, pages and prefixes, and it stays right when an
-- upgrade of the operating system sorts text differently. Rebuilds the index: about two seconds for each million rows.
ALTER TABLE contact ALTER COLUMN email TYPE text COLLATE "C";
ALTER TABLE suppression ALTER COLUMN email TYPE text COLLATE "C";
-- Those of one reason, in the order of their addresses.
CREATE INDEX suppression_by_reason ON suppression (workspace_id, reason, email);

-- contact.tags once more, so that the people with a tag are a range of an index: under row-level security Postgres uses
-- no GIN index for arrays. A trigger keeps the two together; who has no tags costs nothing.
CREATE TABLE contact_tag (
  workspace_id uuid NOT NULL,
  tag text COLLATE "C" NOT NULL,
  contact_id uuid NOT NULL,
  PRIMARY KEY (workspace_id, tag, contact_id)
);
CALL protect_tenant_table('contact_tag');

CREATE FUNCTION move_contact_tags() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP <> 'INSERT' THEN
    DELETE FROM contact_tag WHERE workspace_id = OLD.workspace_id AND tag = ANY (OLD.tags) AND contact_id = OLD.id;
  END IF;
  IF TG_OP <> 'DELETE' THEN
    INSERT INTO contact_tag (workspace_id, tag, contact_id)
    SELECT DISTINCT NEW.workspace_id, tag, NEW.id FROM unnest(NEW.tags) tag;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER tags_given AFTER INSERT ON contact FOR EACH ROW WHEN (NEW.tags <> '{}')
  EXECUTE FUNCTION move_contact_tags();
CREATE TRIGGER tags_changed AFTER UPDATE OF tags ON contact FOR EACH ROW WHEN (OLD.tags <> NEW.tags)
  EXECUTE FUNCTION move_contact_tags();
CREATE TRIGGER tags_taken AFTER DELETE ON contact FOR EACH ROW WHEN (OLD.tags <> '{}')
  EXECUTE FUNCTION move_contact_tags();

-- The members of a list in one status, in the order of the contacts. Built in the transaction of the migration, so changes
-- of subscriptions wait for it: about two seconds for each million.
CREATE INDEX subscription_by_status ON subscription (workspace_id, list_id, status, contact_id);

-- How many people of a list are in each status. As campaign_count: moved by the transactions that move subscriptions,
-- whoever makes them; the sum over shards is exact at every instant, a single shard may be negative. A move from one status
-- to another is one row, so two that go in opposite directions do not wait for one another in a ring.
CREATE TABLE list_count (
  workspace_id uuid NOT NULL,
  list_id uuid NOT NULL,
  shard smallint NOT NULL,
  unconfirmed bigint NOT NULL,
  subscribed bigint NOT NULL,
  unsubscribed bigint NOT NULL,
  PRIMARY KEY (workspace_id, list_id, shard)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
-- ALTER TABLE locks readers out as well, from here to the end of the migration: the count takes about a quarter of a second
-- for each million subscriptions.
ALTER TABLE subscription NO FORCE ROW LEVEL SECURITY;
INSERT INTO list_count
  SELECT workspace_id, list_id, 0, count(*) FILTER (WHERE status = 'unconfirmed'),
    count(*) FILTER (WHERE status = 'subscribed'), count(*) FILTER (WHERE status = 'unsubscribed')
  FROM subscription GROUP BY workspace_id, list_id;
ALTER TABLE subscription FORCE ROW LEVEL SECURITY;
CALL protect_tenant_table('list_count');

-- Once a statement, however many rows it moves. A connection has one shard, so that two rarely wait for one another.
CREATE FUNCTION count_subscriptions() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  sign integer := CASE TG_OP WHEN 'INSERT' THEN 1 ELSE -1 END;
BEGIN
  INSERT INTO list_count AS counted
  SELECT workspace_id, list_id, pg_backend_pid() % 32, sign * count(*) FILTER (WHERE status = 'unconfirmed'),
    sign * count(*) FILTER (WHERE status = 'subscribed'), sign * count(*) FILTER (WHERE status = 'unsubscribed')
  FROM moved GROUP BY workspace_id, list_id ORDER BY workspace_id, list_id
  ON CONFLICT (workspace_id, list_id, shard) DO UPDATE SET unconfirmed = counted.unconfirmed + excluded.unconfirmed,
    subscribed = counted.subscribed + excluded.subscribed, unsubscribed = counted.unsubscribed + excluded.unsubscribed;
  RETURN NULL;
END $$;
CREATE FUNCTION recount_subscriptions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO list_count AS counted
  SELECT workspace_id, list_id, pg_backend_pid() % 32, coalesce(sum(n) FILTER (WHERE status = 'unconfirmed'), 0),
    coalesce(sum(n) FILTER (WHERE status = 'subscribed'), 0), coalesce(sum(n) FILTER (WHERE status = 'unsubscribed'), 0)
  FROM (SELECT workspace_id, list_id, status, 1 AS n FROM entered
    UNION ALL SELECT workspace_id, list_id, status, -1 FROM departed) moved
  GROUP BY workspace_id, list_id ORDER BY workspace_id, list_id
  ON CONFLICT (workspace_id, list_id, shard) DO UPDATE SET unconfirmed = counted.unconfirmed + excluded.unconfirmed,
    subscribed = counted.subscribed + excluded.subscribed, unsubscribed = counted.unsubscribed + excluded.unsubscribed;
  RETURN NULL;
END $$;
CREATE TRIGGER count_added AFTER INSERT ON subscription REFERENCING NEW TABLE AS moved
  FOR EACH STATEMENT EXECUTE FUNCTION count_subscriptions();
CREATE TRIGGER count_moved AFTER UPDATE ON subscription REFERENCING OLD TABLE AS departed NEW TABLE AS entered
  FOR EACH STATEMENT EXECUTE FUNCTION recount_subscriptions();
CREATE TRIGGER count_removed AFTER DELETE ON subscription REFERENCING OLD TABLE AS moved
  FOR EACH STATEMENT EXECUTE FUNCTION count_subscriptions();

ALTER TABLE import
  -- Of all records that are merged: a file that goes on from here must begin with the same ones.
  ADD COLUMN records_sha256 text,
  -- NULL: nobody knows how long the file is.
  ADD COLUMN bytes_total bigint,
  ADD COLUMN bytes_done bigint NOT NULL DEFAULT 0,
  -- What the columns of the file are called: the head of the file of rejected records.
  ADD COLUMN titles text[] NOT NULL DEFAULT '{}',
  ADD COLUMN progressed_at timestamptz NOT NULL DEFAULT now();

-- The rejected records of an upload: not more than the first so many, and not for longer than a month.
CREATE TABLE import_reject (
  workspace_id uuid NOT NULL,
  import_id uuid NOT NULL,
  line bigint NOT NULL,
  title text NOT NULL,
  value text NOT NULL,
  reason text NOT NULL,
  -- As it was in the file; empty when it is long.
  cells text[] NOT NULL,
  PRIMARY KEY (workspace_id, import_id, line)
);
CALL protect_tenant_table('import_reject');
