-- Contacts, lists, subscriptions, imports, suppressions.

CREATE TABLE contact (
  workspace_id uuid NOT NULL,
  id uuid NOT NULL,
  -- Normalised: trimmed, lower case, domain in ASCII. One address is one contact.
  email text NOT NULL CHECK (email = lower(email) AND length(email) <= 320),
  name text,
  attributes jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(attributes) = 'object'),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (workspace_id, id),
  UNIQUE (workspace_id, email)
);
CALL protect_tenant_table('contact');

CREATE TABLE list (
  workspace_id uuid NOT NULL,
  id uuid NOT NULL,
  name text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (workspace_id, id),
  UNIQUE (workspace_id, name)
);
CALL protect_tenant_table('list');

CREATE TABLE subscription (
  workspace_id uuid NOT NULL,
  list_id uuid NOT NULL,
  contact_id uuid NOT NULL,
  status text NOT NULL CHECK (status IN ('unconfirmed', 'subscribed', 'unsubscribed')),
  changed_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (workspace_id, list_id, contact_id)
);
CALL protect_tenant_table('subscription');

-- An address that gets no mail of this workspace, whatever list it is on.
CREATE TABLE suppression (
  workspace_id uuid NOT NULL,
  email text NOT NULL,
  reason text NOT NULL CHECK (reason IN ('hard_bounce', 'complaint', 'manual')),
  -- The reply and the rule that led here, so that a wrong rule can be found and undone.
  rule text,
  detail text,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (workspace_id, email)
);
CALL protect_tenant_table('suppression');

-- A CSV import: its progress is moved in the transaction that merges the rows, so a crash repeats nothing.
CREATE TABLE import (
  workspace_id uuid NOT NULL,
  id uuid NOT NULL,
  list_id uuid NOT NULL,
  -- The file and the mapping, hashed: the same command on the same file goes on where it stopped.
  fingerprint text NOT NULL,
  file_name text NOT NULL,
  state text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'finished', 'failed')),
  -- records_done = created + updated + unchanged + duplicates + rejected.
  records_done bigint NOT NULL DEFAULT 0,
  created bigint NOT NULL DEFAULT 0,
  updated bigint NOT NULL DEFAULT 0,
  unchanged bigint NOT NULL DEFAULT 0,
  duplicates bigint NOT NULL DEFAULT 0,
  rejected bigint NOT NULL DEFAULT 0,
  kept_unsubscribed bigint NOT NULL DEFAULT 0,
  error text,
  created_at timestamptz NOT NULL DEFAULT now(),
  finished_at timestamptz,
  PRIMARY KEY (workspace_id, id)
);
CREATE INDEX import_unfinished ON import (workspace_id, fingerprint) WHERE state = 'running';
CALL protect_tenant_table('import');
