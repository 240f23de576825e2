-- Payments that a person should look at, invoices that are mailed again, and a ledger that also refuses a sum of nothing.

-- What a person should know of it: why it needs review, a dispute, or that the provider says something else than we do.
ALTER TABLE payment ADD COLUMN note text;
-- Those that are not decided are few among many.
CREATE INDEX payment_open ON payment (workspace_id, id) WHERE state NOT IN ('succeeded', 'failed');

-- An invoice that somebody wanted mailed once more; the first mail is number 0 and has no row. The message itself is the
-- operator's, under an id that is made of both.
CREATE TABLE invoice_mail (
  workspace_id uuid NOT NULL,
  invoice_id uuid NOT NULL,
  number smallint NOT NULL CHECK (number > 0),
  asked_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (workspace_id, invoice_id, number)
);
CALL protect_tenant_table('invoice_mail');

-- A transaction whose postings cannot be seen any more adds up to NULL, and that is not zero.
CREATE OR REPLACE FUNCTION assert_zero_sum() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (SELECT sum(credits) FROM ledger_posting
      WHERE workspace_id = NEW.workspace_id AND transaction_id = NEW.transaction_id) IS DISTINCT FROM 0 THEN
    RAISE EXCEPTION 'ledger transaction % does not add up to zero', NEW.transaction_id USING ERRCODE = 'check_violation';
  END IF;
  RETURN NULL;
END $$;
