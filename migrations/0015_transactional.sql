-- Messages of their own, one at a time: receipts, invoices, passwords. They are rows of `message` like all others, of a
-- stream instead of a campaign: one for each From address and month, always sending, so that retention stays DROP.

ALTER TABLE campaign ADD COLUMN kind text NOT NULL DEFAULT 'campaign' CHECK (kind IN ('campaign', 'transactional'));
ALTER TABLE campaign ADD COLUMN stream_month date CHECK ((stream_month IS NOT NULL) = (kind = 'transactional'));
CREATE UNIQUE INDEX campaign_stream ON campaign (workspace_id, from_email, stream_month) WHERE kind = 'transactional';

-- What such a message says; its row in `message` has the same id as contact_id.
CREATE TABLE transactional_message (
  workspace_id uuid NOT NULL,
  id uuid NOT NULL,
  campaign_id uuid NOT NULL,
  -- TransactionalBody in server/content/transactional.ts.
  body jsonb NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (workspace_id, id)
);
CALL protect_tenant_table('transactional_message');
