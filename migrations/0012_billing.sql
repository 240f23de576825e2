-- Payments, the ledger of credits, what was spent, and what the payment provider told us.

-- Money that moves: from a workspace to the operator (a charge) or back (a refund).
CREATE TABLE payment (
  workspace_id uuid NOT NULL,
  id uuid NOT NULL,
  kind text NOT NULL CONSTRAINT payment_kind CHECK (kind IN ('charge', 'refund')),
  state text NOT NULL DEFAULT 'intended' CONSTRAINT payment_state CHECK (state IN
    ('intended', 'sent', 'unknown', 'pending', 'needs_review', 'succeeded', 'failed')),
  amount_minor bigint NOT NULL CHECK (amount_minor >= 0 AND amount_minor <= 1000000000000),
  currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  -- A charge brings them, a refund takes them back.
  credits bigint NOT NULL CHECK (credits >= 0),
  -- Everything else that was agreed on, as it was then. The shape is Terms in server/billing/payment.ts.
  terms jsonb NOT NULL,
  -- The invoice that a charge pays. NULL while credits are bought: it is issued when they are paid.
  invoice_id uuid,
  -- The client's own name for what it buys: it is paid once.
  reference text,
  -- A refund: the charge that it gives back.
  refund_of uuid,
  provider text NOT NULL,
  -- The provider's name of it.
  provider_ref text,
  -- The request that asked for it. Who goes on with it comes under the same key.
  idempotency_key text NOT NULL,
  key_fingerprint bytea NOT NULL,
  key_epoch integer NOT NULL,
  failure_code text,
  failure_message text,
  -- Where the customer has to do something before it can go on.
  action_url text,
  created_at timestamptz NOT NULL DEFAULT now(),
  sent_at timestamptz,
  decided_at timestamptz,
  PRIMARY KEY (workspace_id, id),
  CHECK ((kind = 'refund') = (refund_of IS NOT NULL)),
  CHECK ((decided_at IS NOT NULL) = (state IN ('succeeded', 'failed'))),
  CHECK ((failure_code IS NOT NULL) = (state = 'failed'))
);
-- One live charge an invoice, and one a reference: a client that changes its idempotency key cannot pay twice.
CREATE UNIQUE INDEX payment_live_invoice ON payment (workspace_id, invoice_id) WHERE kind = 'charge' AND state <> 'failed';
CREATE UNIQUE INDEX payment_live_reference ON payment (workspace_id, reference) WHERE state <> 'failed';
CREATE INDEX payment_refunds ON payment (workspace_id, refund_of) WHERE refund_of IS NOT NULL;
CREATE INDEX payment_age ON payment (workspace_id, created_at);
CALL protect_tenant_table('payment');

-- What was agreed on is not changed.
CREATE FUNCTION refuse_payment_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the terms of a payment are not changed' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER terms_frozen BEFORE UPDATE ON payment FOR EACH ROW
  WHEN ((OLD.workspace_id, OLD.id, OLD.kind, OLD.amount_minor, OLD.currency, OLD.credits, OLD.terms, OLD.reference, OLD.refund_of)
    IS DISTINCT FROM (NEW.workspace_id, NEW.id, NEW.kind, NEW.amount_minor, NEW.currency, NEW.credits, NEW.terms, NEW.reference, NEW.refund_of))
  EXECUTE FUNCTION refuse_payment_change();
CREATE TRIGGER never_deleted BEFORE DELETE ON payment FOR EACH ROW EXECUTE FUNCTION refuse_payment_change();

-- One idempotency key at the provider. Another attempt follows where the first one was answered with a failure of the
-- provider's: the same key would bring the same answer again.
CREATE TABLE payment_attempt (
  workspace_id uuid NOT NULL,
  payment_id uuid NOT NULL,
  number smallint NOT NULL,
  provider_key text NOT NULL,
  begun_at timestamptz NOT NULL DEFAULT now(),
  -- The last that was heard of it.
  outcome text,
  error text,
  PRIMARY KEY (workspace_id, payment_id, number)
);
CREATE UNIQUE INDEX payment_attempt_key ON payment_attempt (workspace_id, provider_key);
CALL protect_tenant_table('payment_attempt');

-- What the provider posted, as it came, once an event. Of an object that is not ours nothing is kept.
CREATE TABLE provider_event (
  workspace_id uuid NOT NULL,
  id text NOT NULL,
  type text NOT NULL,
  body bytea NOT NULL,
  received_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (workspace_id, id)
);
CREATE INDEX provider_event_age ON provider_event (workspace_id, received_at);
CALL protect_tenant_table('provider_event');

-- The ledger of credits, double-entry: every transaction says where credits came from and where they went, and adds up to
-- zero. Never changed.
CREATE TABLE ledger_transaction (
  workspace_id uuid NOT NULL,
  id uuid NOT NULL,
  kind text NOT NULL CONSTRAINT ledger_kind CHECK (kind IN ('purchase', 'refund', 'spend', 'grant')),
  -- What it is for (a payment, a campaign's count): booked once.
  source text NOT NULL,
  at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (workspace_id, id)
);
CREATE UNIQUE INDEX ledger_source ON ledger_transaction (workspace_id, kind, source);
CALL protect_tenant_table('ledger_transaction');

CREATE TABLE ledger_posting (
  workspace_id uuid NOT NULL,
  transaction_id uuid NOT NULL,
  -- balance: what the workspace may spend. The others are the sides that credits come from and go to.
  account text NOT NULL CONSTRAINT ledger_account CHECK (account IN ('balance', 'bought', 'granted', 'spent')),
  credits bigint NOT NULL,
  PRIMARY KEY (workspace_id, transaction_id, account)
);
CALL protect_tenant_table('ledger_posting');

-- The sum of an account's postings, moved by the postings themselves.
CREATE TABLE credit_balance (
  workspace_id uuid NOT NULL,
  account text NOT NULL,
  credits bigint NOT NULL,
  PRIMARY KEY (workspace_id, account)
) WITH (fillfactor = 50);
CALL protect_tenant_table('credit_balance');

CREATE FUNCTION assert_zero_sum() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (SELECT sum(credits) FROM ledger_posting
      WHERE workspace_id = NEW.workspace_id AND transaction_id = NEW.transaction_id) <> 0 THEN
    RAISE EXCEPTION 'ledger transaction % does not add up to zero', NEW.transaction_id USING ERRCODE = 'check_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER zero_sum AFTER INSERT ON ledger_posting DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION assert_zero_sum();

CREATE FUNCTION move_credit_balance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO credit_balance AS b (workspace_id, account, credits) VALUES (NEW.workspace_id, NEW.account, NEW.credits)
    ON CONFLICT (workspace_id, account) DO UPDATE SET credits = b.credits + excluded.credits;
  RETURN NULL;
END $$;
CREATE TRIGGER balance AFTER INSERT ON ledger_posting FOR EACH ROW EXECUTE FUNCTION move_credit_balance();

CREATE FUNCTION refuse_ledger_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'what was booked is not changed: book the opposite' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER never_changed BEFORE UPDATE OR DELETE ON ledger_transaction FOR EACH ROW EXECUTE FUNCTION refuse_ledger_change();
CREATE TRIGGER never_changed BEFORE UPDATE OR DELETE ON ledger_posting FOR EACH ROW EXECUTE FUNCTION refuse_ledger_change();

-- How many accepted messages of a campaign were paid for: moved by the transaction that books them.
CREATE TABLE credit_spend (
  workspace_id uuid NOT NULL,
  campaign_id uuid NOT NULL,
  accepted bigint NOT NULL,
  PRIMARY KEY (workspace_id, campaign_id)
);
CALL protect_tenant_table('credit_spend');

-- What an open invoice brings when it is paid.
CREATE TABLE invoice_credits (
  workspace_id uuid NOT NULL,
  invoice_id uuid NOT NULL,
  credits bigint NOT NULL CHECK (credits >= 0),
  PRIMARY KEY (workspace_id, invoice_id)
);
CALL protect_tenant_table('invoice_credits');
