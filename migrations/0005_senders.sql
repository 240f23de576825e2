-- Sending domains of a workspace, and the DKIM keys that sign for them.

CREATE TABLE sending_domain (
  workspace_id uuid NOT NULL,
  -- In ASCII and lower case.
  domain text NOT NULL CHECK (domain = lower(domain)),
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (workspace_id, domain)
);
CALL protect_tenant_table('sending_domain');

-- pending: waits for its record to appear in the DNS. active: signs. retiring: signs nothing any more, but its record must
-- stay while messages that it signed are under way.
CREATE TABLE dkim_key (
  workspace_id uuid NOT NULL,
  domain text NOT NULL,
  selector text NOT NULL,
  algorithm text NOT NULL CHECK (algorithm IN ('rsa-sha256', 'ed25519-sha256')),
  -- As it stands in the record's p=.
  public_key text NOT NULL,
  -- PKCS #8 in PEM, sealed. Gone as soon as the key retires.
  private_key text,
  state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'active', 'retiring')),
  created_at timestamptz NOT NULL DEFAULT now(),
  retiring_at timestamptz,
  PRIMARY KEY (workspace_id, domain, selector),
  CHECK ((private_key IS NULL) = (state = 'retiring')),
  CHECK ((retiring_at IS NOT NULL) = (state = 'retiring'))
);
CREATE UNIQUE INDEX dkim_key_pending ON dkim_key (workspace_id, domain, algorithm) WHERE state = 'pending';
CREATE UNIQUE INDEX dkim_key_active ON dkim_key (workspace_id, domain, algorithm) WHERE state = 'active';
CALL protect_tenant_table('dkim_key');
