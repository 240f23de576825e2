-- Ways out: relays and routes of a workspace; sources, pools and warm-up of the installation.

CREATE TABLE relay (
  workspace_id uuid NOT NULL,
  -- Also the name under which its trouble is kept, in `route`.
  name text NOT NULL,
  -- The SMTP URL with its password, sealed.
  sealed_url text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  changed_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (workspace_id, name)
);
CALL protect_tenant_table('relay');

-- How the mail of a sending domain gets out ('*': of all domains that have no row).
CREATE TABLE sending_route (
  workspace_id uuid NOT NULL,
  domain text NOT NULL,
  -- As a person writes it: relay:main*3, direct:bulk / relay:backup
  route text NOT NULL,
  changed_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (workspace_id, domain)
);
CALL protect_tenant_table('sending_route');

-- A pool of source addresses: open to every workspace, or to those only that it was granted to.
CREATE TABLE pool (
  name text PRIMARY KEY,
  open boolean NOT NULL DEFAULT true
);

CREATE TABLE pool_grant (
  workspace_id uuid NOT NULL,
  pool text NOT NULL,
  granted_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (workspace_id, pool)
);
CALL protect_tenant_table('pool_grant');

-- A local address that mail leaves from. No tenant's data: an address belongs to a machine, and its reputation to everybody
-- who sends from it.
CREATE TABLE source (
  address inet PRIMARY KEY CHECK (masklen(address) = CASE family(address) WHEN 4 THEN 32 ELSE 128 END),
  -- What others see of it, behind NAT.
  public_address inet,
  helo_name text NOT NULL,
  pool text NOT NULL REFERENCES pool,
  weight integer NOT NULL DEFAULT 1 CHECK (weight BETWEEN 1 AND 1000),
  created_at timestamptz NOT NULL DEFAULT now(),
  changed_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX source_of_pool ON source (pool);

-- The ramp of a source at a mailbox provider ('*': at all that have no row).
CREATE TABLE warm_up (
  address inet NOT NULL REFERENCES source ON DELETE CASCADE,
  provider text NOT NULL,
  start_on date NOT NULL,
  first_day_messages integer NOT NULL CHECK (first_day_messages > 0),
  factor double precision NOT NULL CHECK (factor > 1),
  warm_messages integer NOT NULL CHECK (warm_messages > first_day_messages),
  PRIMARY KEY (address, provider)
);

GRANT SELECT, INSERT, UPDATE, DELETE ON pool, source, warm_up TO camp_system;
GRANT SELECT ON pool, source, warm_up TO camp_app;
