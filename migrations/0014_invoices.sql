-- Invoices and credit notes: numbered without gaps, never changed; and their PDFs.

-- Who sells: one for the installation, because an invoice is the operator's to whichever workspace buys. No row: not said
-- yet. The shape is Seller in server/billing/invoice-parties.ts.
CREATE TABLE seller (
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  details jsonb NOT NULL,
  changed_at timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT ON seller TO camp_app;
GRANT SELECT, INSERT, UPDATE ON seller TO camp_system;

-- The numbers that were given, per series of the seller and year. The row's lock makes the numbers gapless: who has one
-- commits or gives it back before the next is taken.
CREATE TABLE invoice_series (
  series text NOT NULL,
  year integer NOT NULL,
  last_position bigint NOT NULL,
  last_issued_at timestamptz NOT NULL,
  PRIMARY KEY (series, year)
) WITH (fillfactor = 50);
GRANT SELECT ON invoice_series TO camp_system;

CREATE TABLE invoice (
  workspace_id uuid NOT NULL,
  id uuid NOT NULL,
  kind text NOT NULL CONSTRAINT invoice_kind CHECK (kind IN ('invoice', 'credit_note')),
  -- Of these only the series is the writer's to say: see number_invoice.
  series text NOT NULL,
  year integer NOT NULL,
  position bigint NOT NULL,
  issued_at timestamptz NOT NULL,
  number text NOT NULL GENERATED ALWAYS AS
    (series || '-' || year || '-' || lpad(position::text, greatest(6, length(position::text)), '0')) STORED,
  -- An invoice: the payment that settled it; NULL: issued to be paid. A credit note: never.
  payment_id uuid,
  -- A credit note: the invoice that it corrects, and the refund that it stands for.
  corrects uuid,
  refund_id uuid,
  currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  net_minor bigint NOT NULL,
  tax_minor bigint NOT NULL,
  gross_minor bigint NOT NULL,
  -- Everything that is printed, but for the number and the date. The shape is Snapshot in server/billing/invoice-snapshot.ts.
  snapshot jsonb NOT NULL,
  PRIMARY KEY (workspace_id, id),
  CHECK (net_minor >= 0 AND tax_minor >= 0 AND gross_minor = net_minor + tax_minor),
  CHECK (CASE kind WHEN 'invoice' THEN corrects IS NULL AND refund_id IS NULL
    ELSE corrects IS NOT NULL AND payment_id IS NULL END)
);
CREATE UNIQUE INDEX invoice_number ON invoice (workspace_id, number);
-- However often a payment is settled, it is invoiced once; so is a refund.
CREATE UNIQUE INDEX invoice_payment ON invoice (workspace_id, payment_id) WHERE payment_id IS NOT NULL;
CREATE UNIQUE INDEX invoice_refund ON invoice (workspace_id, refund_id) WHERE refund_id IS NOT NULL;
CREATE INDEX invoice_corrects ON invoice (workspace_id, corrects) WHERE corrects IS NOT NULL;
CALL protect_tenant_table('invoice');

-- The one way to a number: a row that is inserted takes the next of its series, and a transaction that fails takes it back.
-- Dates follow the numbers, also when clocks do not. An INSERT … ON CONFLICT DO NOTHING would leave a gap: do not.
CREATE FUNCTION number_invoice() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  NEW.issued_at := clock_timestamp();
  NEW.year := extract(year FROM NEW.issued_at AT TIME ZONE 'UTC');
  INSERT INTO invoice_series AS counter (series, year, last_position, last_issued_at)
    VALUES (NEW.series, NEW.year, 1, NEW.issued_at)
    ON CONFLICT (series, year) DO UPDATE SET last_position = counter.last_position + 1,
      last_issued_at = greatest(counter.last_issued_at, excluded.last_issued_at)
    RETURNING last_position, last_issued_at INTO NEW.position, NEW.issued_at;
  RETURN NEW;
END $$;
CREATE TRIGGER numbered BEFORE INSERT ON invoice FOR EACH ROW EXECUTE FUNCTION number_invoice();

CREATE FUNCTION refuse_invoice_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'what was issued is not changed: correct an invoice by a credit note'
    USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER never_changed BEFORE UPDATE OR DELETE ON invoice FOR EACH ROW EXECUTE FUNCTION refuse_invoice_change();
CREATE TRIGGER not_emptied BEFORE TRUNCATE ON invoice FOR EACH STATEMENT EXECUTE FUNCTION refuse_invoice_change();

-- Its PDF, under the hash of its bytes. A new layout makes another row beside the first, which is the one that was mailed.
CREATE TABLE invoice_document (
  workspace_id uuid NOT NULL,
  invoice_id uuid NOT NULL,
  sha256 bytea NOT NULL,
  content bytea NOT NULL,
  rendered_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (workspace_id, invoice_id, sha256),
  CHECK (sha256 = sha256(content))
);
CALL protect_tenant_table('invoice_document');
CREATE TRIGGER never_changed BEFORE UPDATE OR DELETE ON invoice_document FOR EACH ROW EXECUTE FUNCTION refuse_invoice_change();
CREATE TRIGGER not_emptied BEFORE TRUNCATE ON invoice_document FOR EACH STATEMENT EXECUTE FUNCTION refuse_invoice_change();
