-- Links by which somebody who has forgotten their password chooses another, once. Of no workspace, as people are.
CREATE TABLE password_reset (
  -- SHA-256 of the token in the link.
  hash bytea PRIMARY KEY,
  person_id uuid NOT NULL REFERENCES person ON DELETE CASCADE,
  -- The person's session_version when it was made: whatever moves that on ends the link as well.
  version integer NOT NULL,
  expires_at timestamptz NOT NULL
);
CREATE INDEX password_reset_ended ON password_reset (expires_at);
GRANT SELECT, INSERT, DELETE ON password_reset TO camp_system;
