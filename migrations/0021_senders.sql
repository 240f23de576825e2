-- What was last seen of a sending domain in the DNS, and who added a relay.

-- `findings`: CheckedRecord[] of server/senders/dns-records.ts.
ALTER TABLE sending_domain ADD COLUMN checked_at timestamptz, ADD COLUMN findings json,
  ADD CHECK ((checked_at IS NULL) = (findings IS NULL));

-- Whether whoever added it may reach every address that Camp does: the operator may, and a workspace's own people only the
-- public internet's.
ALTER TABLE relay ADD COLUMN trusted boolean NOT NULL DEFAULT true;
