-- Accounts: people, memberships, sessions, API keys, invitations, sign-in, and the audit log.
--
-- Who presents a key, a cookie or an invitation has not said of which workspace it is. Row-level security is forced, and
-- binds the owner of a function too, so it is camp_system that looks: of all workspaces it may read the columns that tell
-- who asks, found by the hash of what was presented, and change none of them. The hashes are of 128 bits of chance or
-- more: they open nothing, and nothing is found from them.

-- Somebody who signs in: one row an e-mail address, whatever workspaces they are in.
CREATE TABLE person (
  id uuid PRIMARY KEY,
  email text NOT NULL UNIQUE CHECK (email = lower(email) AND length(email) <= 320),
  name text NOT NULL,
  -- Argon2id in PHC format. NULL: signs in through a provider only.
  password_hash text,
  -- A session is good while it has the same: one more ends all of them.
  session_version integer NOT NULL DEFAULT 0,
  -- Sealed. The pending one counts for nothing until a code of it was given.
  totp_pending text,
  totp_secret text,
  -- The time step of the last code that was used: it and those before are refused.
  totp_step bigint NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE member (
  workspace_id uuid NOT NULL,
  person_id uuid NOT NULL,
  role text NOT NULL CONSTRAINT member_role CHECK (role IN ('owner', 'admin', 'marketer', 'analyst', 'billing')),
  created_at timestamptz NOT NULL DEFAULT now(),
  disabled_at timestamptz,
  PRIMARY KEY (workspace_id, person_id)
);
CREATE INDEX member_of_person ON member (person_id);
CALL protect_tenant_table('member');
CREATE POLICY every_workspace ON member FOR SELECT TO camp_system USING (true);
GRANT SELECT ON member TO camp_system;

-- A workspace sees its members, adds somebody whom it has made one, and changes nobody: passwords are not its own.
ALTER TABLE person ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY everybody ON person TO camp_system USING (true);
CREATE POLICY own_member ON person FOR SELECT TO camp_app
  USING (EXISTS (SELECT FROM member WHERE member.person_id = person.id));
CREATE POLICY new_member ON person FOR INSERT TO camp_app
  WITH CHECK (EXISTS (SELECT FROM member WHERE member.person_id = person.id));
GRANT SELECT, INSERT, UPDATE, DELETE ON person TO camp_system;
GRANT SELECT (id, email, name, created_at), INSERT ON person TO camp_app;

CREATE TABLE session (
  workspace_id uuid NOT NULL,
  id uuid NOT NULL,
  person_id uuid NOT NULL,
  -- SHA-256 of the cookie's value.
  hash bytea NOT NULL,
  version integer NOT NULL,
  address text,
  user_agent text,
  created_at timestamptz NOT NULL DEFAULT now(),
  seen_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL,
  PRIMARY KEY (workspace_id, id)
);
CREATE INDEX session_hash ON session (hash);
CREATE INDEX session_of_person ON session (workspace_id, person_id);
CALL protect_tenant_table('session');
CREATE POLICY every_workspace ON session FOR SELECT TO camp_system USING (true);
GRANT SELECT (workspace_id, id, person_id, hash, version, seen_at, expires_at) ON session TO camp_system;

CREATE TABLE api_key (
  workspace_id uuid NOT NULL,
  -- The part of the key that may be shown.
  id text NOT NULL,
  name text NOT NULL,
  -- SHA-256 of the whole key.
  hash bytea NOT NULL,
  role text NOT NULL CONSTRAINT api_key_role CHECK (role IN ('owner', 'admin', 'marketer', 'analyst', 'billing')),
  -- NULL: all that the role may.
  scopes text[],
  created_by uuid,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz,
  last_used_at timestamptz,
  revoked_at timestamptz,
  PRIMARY KEY (workspace_id, id)
);
CREATE INDEX api_key_hash ON api_key (hash);
CALL protect_tenant_table('api_key');
CREATE POLICY every_workspace ON api_key FOR SELECT TO camp_system USING (true);
GRANT SELECT (workspace_id, id, hash, role, scopes, expires_at, last_used_at, revoked_at) ON api_key TO camp_system;

CREATE TABLE invitation (
  workspace_id uuid NOT NULL,
  id uuid NOT NULL,
  email text NOT NULL CHECK (email = lower(email)),
  role text NOT NULL CONSTRAINT invitation_role CHECK (role IN ('owner', 'admin', 'marketer', 'analyst', 'billing')),
  -- SHA-256 of the token in the link.
  hash bytea NOT NULL,
  invited_by uuid,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL,
  accepted_at timestamptz,
  revoked_at timestamptz,
  PRIMARY KEY (workspace_id, id)
);
CREATE INDEX invitation_hash ON invitation (hash);
-- A second invitation takes the place of the first.
CREATE UNIQUE INDEX invitation_open ON invitation (workspace_id, email) WHERE accepted_at IS NULL AND revoked_at IS NULL;
CALL protect_tenant_table('invitation');
CREATE POLICY every_workspace ON invitation FOR SELECT TO camp_system USING (true);
GRANT SELECT (workspace_id, id, email, role, hash, expires_at, accepted_at, revoked_at) ON invitation TO camp_system;

-- The link that makes the first owner. Its use and that owner are one transaction, which is the workspace's.
CREATE TABLE first_run_link (
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  hash bytea NOT NULL,
  expires_at timestamptz NOT NULL
);
GRANT SELECT, INSERT, UPDATE, DELETE ON first_run_link TO camp_system;
GRANT SELECT, DELETE ON first_run_link TO camp_app;

CREATE TABLE recovery_code (
  person_id uuid NOT NULL REFERENCES person ON DELETE CASCADE,
  hash bytea NOT NULL,
  PRIMARY KEY (person_id, hash)
);
GRANT SELECT, INSERT, DELETE ON recovery_code TO camp_system;

-- Tries to sign in, by account (the SHA-256 of the address: what people mistype is nobody's business) and by network
-- address; counted before they are judged, so that many at once count as many.
CREATE TABLE sign_in_throttle (
  key text PRIMARY KEY,
  tries integer NOT NULL,
  window_ends_at timestamptz NOT NULL
);
CREATE INDEX sign_in_throttle_ended ON sign_in_throttle (window_ends_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON sign_in_throttle TO camp_system;

-- An OpenID provider that people may sign in with: whom the operator trusts to say who somebody is.
CREATE TABLE oidc_provider (
  name text PRIMARY KEY,
  issuer text NOT NULL,
  client_id text NOT NULL,
  -- Sealed.
  client_secret text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT, INSERT, UPDATE, DELETE ON oidc_provider TO camp_system;

-- Who somebody is at a provider: issuer and `sub`, never the address.
CREATE TABLE oidc_identity (
  issuer text NOT NULL,
  subject text NOT NULL,
  person_id uuid NOT NULL REFERENCES person ON DELETE CASCADE,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (issuer, subject)
);
CREATE INDEX oidc_identity_of_person ON oidc_identity (person_id);
-- Whoever accepts an invitation through a provider becomes a member, a person and known there in one transaction.
ALTER TABLE oidc_identity ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY everybody ON oidc_identity TO camp_system USING (true);
CREATE POLICY new_member ON oidc_identity FOR INSERT TO camp_app
  WITH CHECK (EXISTS (SELECT FROM member WHERE member.person_id = oidc_identity.person_id));
GRANT SELECT, INSERT, DELETE ON oidc_identity TO camp_system;
GRANT INSERT ON oidc_identity TO camp_app;

-- A sign-in that is under way at a provider. state, nonce and verifier are made of the browser's cookie, and not here.
CREATE TABLE oidc_flow (
  -- SHA-256 of the cookie's value.
  hash bytea PRIMARY KEY,
  provider text NOT NULL REFERENCES oidc_provider ON DELETE CASCADE,
  -- Who is signed in already and adds this way to sign in.
  person_id uuid REFERENCES person ON DELETE CASCADE,
  -- Of whoever accepts an invitation this way.
  invitation_hash bytea,
  expires_at timestamptz NOT NULL
);
CREATE INDEX oidc_flow_ended ON oidc_flow (expires_at);
GRANT SELECT, INSERT, DELETE ON oidc_flow TO camp_system;

-- What was done, by whom. Each entry's hash is of the one before and of itself; the workspace's row has how many there
-- are and the last one's hash, so that a missing tail shows too.
CREATE TABLE audit_entry (
  workspace_id uuid NOT NULL,
  -- 1, 2, 3, … without a gap.
  position bigint NOT NULL,
  at timestamptz NOT NULL,
  actor_kind text NOT NULL CONSTRAINT audit_entry_actor_kind CHECK (actor_kind IN ('key', 'session', 'operator')),
  actor_id text NOT NULL,
  -- The person behind the session.
  person_id uuid,
  action text NOT NULL,
  subject text NOT NULL,
  -- JSON, byte for byte as it was hashed.
  before text,
  after text,
  address text,
  hash bytea NOT NULL,
  PRIMARY KEY (workspace_id, position)
);
CALL protect_tenant_table('audit_entry');
ALTER TABLE workspace ADD COLUMN audit_entries bigint NOT NULL DEFAULT 0, ADD COLUMN audit_hash bytea NOT NULL DEFAULT '';

CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the audit log is only added to' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER only_added_to BEFORE UPDATE OR DELETE ON audit_entry FOR EACH ROW EXECUTE FUNCTION refuse_audit_change();
CREATE TRIGGER not_emptied BEFORE TRUNCATE ON audit_entry FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();
