-- Lanes by destination: messages of a campaign that go to the same mailbox provider, or to the same set of MX hosts,
-- wait in one line, so that a destination that is slow or shut holds nobody up but its own.

-- A destination's number is the lane of its messages; 0: not sorted yet, or a relay takes all.
ALTER TABLE message ALTER COLUMN lane TYPE integer;
ALTER TABLE lane ALTER COLUMN number TYPE integer;
-- A campaign may have several ways out: their trouble is read beside the lanes, not through them.
ALTER TABLE lane DROP COLUMN route;

-- No tenant's data: which mail servers serve a domain is the same for everybody.
CREATE TABLE destination (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  -- 'provider google', or 'site ' and the name of a set of MX hosts.
  name text NOT NULL UNIQUE
);
GRANT SELECT, INSERT, UPDATE ON destination TO camp_system;

-- Where a domain's mail went when somebody looked last. A hint for the freeze: a worker looks again when it sends, and
-- moves a message whose domain has moved.
CREATE TABLE mail_domain (
  domain text PRIMARY KEY,
  destination_id integer NOT NULL REFERENCES destination,
  resolved_at timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT, INSERT, UPDATE, DELETE ON mail_domain TO camp_system;
GRANT SELECT ON mail_domain TO camp_app;

-- The whole order, so that a look can go on behind the lanes that may not be served now.
DROP INDEX lane_due;
CREATE INDEX lane_due ON lane (queue, served_at, workspace_id, key, number) WHERE open AND next_due_at IS NOT NULL;
