/** Made by `npm run client` from the API's own document: what may be asked, and what is answered. */
// biome-ignore-all format: it is written by a program
import type { Upload } from './client.ts';

export type AuditEntry = { "position": number; "at": string; "actor": { "kind": ("key" | "session" | "operator"); "id": string; "person_id": (string | null) }; "action": string; "subject": string; "before": unknown; "after": unknown; "address": (string | null) };

export type Buyer = { "name": string; "address_line_1"?: string; "address_line_2"?: string; "post_code"?: string; "city"?: string; "country": string; "vat_identifier"?: string; "email": string };

export type Key = { "id": string; "name": string; "role": ("owner" | "admin" | "marketer" | "analyst" | "billing"); "scopes": (Array<("contacts:read" | "contacts:write" | "templates:read" | "templates:write" | "campaigns:read" | "campaigns:write" | "campaigns:send" | "messages:read" | "messages:send" | "suppressions:read" | "suppressions:write" | "domains:read" | "domains:write" | "webhooks:read" | "webhooks:write" | "stats:read" | "billing:read" | "billing:write" | "members:read" | "members:write" | "keys:read" | "keys:write" | "audit:read" | "workspace:write" | "installation:read" | "installation:write")> | null); "created_by": (string | null); "created_at": string; "expires_at": (string | null); "last_used_at": (string | null); "revoked_at": (string | null) };

export type Payment = { "id": string; "kind": ("charge" | "refund"); "state": ("intended" | "sent" | "unknown" | "pending" | "needs_review" | "succeeded" | "failed"); "amount_minor": number; "currency": string; "credits": number; "reference": (string | null); "invoice_id": (string | null); "refund_of": (string | null); "failure": ({ "code": string; "message": string } | null); "action_url": (string | null); "created_at": string; "decided_at": (string | null) };

export type Problem = { "type": string; "title": string; "status": number; "code": string; "detail"?: string; "errors"?: Array<{ "path": string; "message": string }>; "request_id": string };

export interface Operations {
  getHealthz: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: { "status": ("ok") } };
  };
  getReadyz: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: { "status": ("ok") } };
  };
  getMetrics: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: Response };
  };
  getOpenapiJson: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: Record<string, unknown> };
  };
  getDocs: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: Response };
  };
  getMe: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: { "kind": ("key" | "session"); "id": string; "workspace_id": string; "person_id": (string | null); "role": ("owner" | "admin" | "marketer" | "analyst" | "billing"); "scopes": Array<("contacts:read" | "contacts:write" | "templates:read" | "templates:write" | "campaigns:read" | "campaigns:write" | "campaigns:send" | "messages:read" | "messages:send" | "suppressions:read" | "suppressions:write" | "domains:read" | "domains:write" | "webhooks:read" | "webhooks:write" | "stats:read" | "billing:read" | "billing:write" | "members:read" | "members:write" | "keys:read" | "keys:write" | "audit:read" | "workspace:write" | "installation:read" | "installation:write")> } };
  };
  getKeys: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: { "data": Array<Key> } };
  };
  postKeys: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: { "name": string; "role": ("owner" | "admin" | "marketer" | "analyst" | "billing"); "scopes"?: Array<("contacts:read" | "contacts:write" | "templates:read" | "templates:write" | "campaigns:read" | "campaigns:write" | "campaigns:send" | "messages:read" | "messages:send" | "suppressions:read" | "suppressions:write" | "domains:read" | "domains:write" | "webhooks:read" | "webhooks:write" | "stats:read" | "billing:read" | "billing:write" | "members:read" | "members:write" | "keys:read" | "keys:write" | "audit:read" | "workspace:write" | "installation:read" | "installation:write")>; "expires_at"?: string };
    answer: { status: 201; body: { "id": string; "key": string } };
  };
  deleteKeysById: {
    params: { id: string };
    query: Record<never, never>;
    body: undefined;
    answer: { status: 204; body: null };
  };
  getAudit: {
    params: Record<never, never>;
    query: { limit?: number; cursor?: string };
    body: undefined;
    answer: { status: 200; body: { "data": Array<AuditEntry>; "next_cursor": (string | null) } };
  };
  getCredits: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: { "balance": number; "prices": Array<{ "credits": number; "price_minor": number; "currency": string }> } };
  };
  postInvoices: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: { "credits": number; "currency"?: string; "buyer": Buyer };
    answer: { status: 201; body: { "id": string; "number": string } };
  };
  getPayments: {
    params: Record<never, never>;
    query: { limit?: number; cursor?: string };
    body: undefined;
    answer: { status: 200; body: { "data": Array<Payment>; "next_cursor": (string | null) } };
  };
  postPayments: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: ({ "credits": number; "currency"?: string; "buyer": Buyer; "reference"?: string; "payment_method": string; "return_url"?: string } | { "invoice_id": string; "payment_method": string; "return_url"?: string });
    answer: { status: 201; body: Payment } | { status: 202; body: { "resource": string } };
  };
  getPaymentsById: {
    params: { id: string };
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: Payment };
  };
  postPaymentsByIdRefunds: {
    params: { id: string };
    query: Record<never, never>;
    body: { "amount_minor"?: number; "reason"?: string };
    answer: { status: 201; body: Payment } | { status: 202; body: { "resource": string } };
  };
  postProviderEventsStripe: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: string;
    answer: { status: 204; body: null };
  };
}

export const OPERATIONS: { readonly [Id in keyof Operations]: { method: string; path: string; isKeyed: boolean } } = {
  getHealthz: { method: 'GET', path: '/healthz', isKeyed: false },
  getReadyz: { method: 'GET', path: '/readyz', isKeyed: false },
  getMetrics: { method: 'GET', path: '/metrics', isKeyed: false },
  getOpenapiJson: { method: 'GET', path: '/openapi.json', isKeyed: false },
  getDocs: { method: 'GET', path: '/docs', isKeyed: false },
  getMe: { method: 'GET', path: '/v1/me', isKeyed: false },
  getKeys: { method: 'GET', path: '/v1/keys', isKeyed: false },
  postKeys: { method: 'POST', path: '/v1/keys', isKeyed: false },
  deleteKeysById: { method: 'DELETE', path: '/v1/keys/{id}', isKeyed: false },
  getAudit: { method: 'GET', path: '/v1/audit', isKeyed: false },
  getCredits: { method: 'GET', path: '/v1/credits', isKeyed: false },
  postInvoices: { method: 'POST', path: '/v1/invoices', isKeyed: true },
  getPayments: { method: 'GET', path: '/v1/payments', isKeyed: false },
  postPayments: { method: 'POST', path: '/v1/payments', isKeyed: true },
  getPaymentsById: { method: 'GET', path: '/v1/payments/{id}', isKeyed: false },
  postPaymentsByIdRefunds: { method: 'POST', path: '/v1/payments/{id}/refunds', isKeyed: true },
  postProviderEventsStripe: { method: 'POST', path: '/v1/provider-events/stripe', isKeyed: false },
};
