/** Made by `npm run client` from the API's own document: what may be asked, and what is answered. */
// biome-ignore-all format: it is written by a program
import type { Upload } from './client.ts';

export type Account = { "email": string; "name": string; "has_password": boolean; "has_second_factor": boolean; "recovery_codes_left": number };

export type AudienceEstimate = { "matched": number; "duplicates": number; "excluded": number; "suppressed": number; "recipients": number; "as_of": string };

export type AuditEntry = { "position": number; "at": string; "actor": { "kind": ("key" | "session" | "operator"); "id": string; "person_id": (string | null) }; "action": string; "subject": string; "before": unknown; "after": unknown; "address": (string | null) };

export type BatchedMessage = (QueuedMessage | { "id": null; "to": string; "state": ("suppressed"); "reason": string });

export type BulkOutcome = { "changed": number; "unchanged": number; "kept_unsubscribed": number; "missing": Array<string> };

export type Buyer = { "name": string; "address_line_1"?: string; "address_line_2"?: string; "post_code"?: string; "city"?: string; "country": string; "vat_identifier"?: string; "email": string };

export type Campaign = { "id": string; "name": string; "state": ("draft" | "scheduled" | "starting" | "sending" | "holding" | "paused" | "finishing" | "finished" | "cancelled" | "failed"); "recipients": number; "created_at": string; "scheduled_at": (string | null); "started_at": (string | null); "finished_at": (string | null); "failure": (string | null); "version": number; "from": { "email": string; "name": (string | null) }; "reply_to": (string | null); "audience": CampaignAudience; "template": { "name": string; "source": string }; "postal_address": (string | null); "give_up_seconds": number };

export type CampaignAudience = { "list_ids": Array<string>; "segment_ids": Array<string>; "exclude": { "list_ids": Array<string>; "segment_ids": Array<string> } };

export type CampaignPlan = { "plan": SendPlan; "levels": Array<Array<{ "kind": ("relay" | "direct"); "name": string; "weight": number }>>; "problems": Array<string> };

export type CampaignStatus = { "campaign": CampaignSummary; "counts": MessageCounts; "stage": ({ "number": number; "stages": Array<number> } | null); "waits": ({ "for": string; "until": (string | null) } | null); "max_per_hour": (number | null); "routes_in_trouble": Array<{ "name": string; "failures": number; "paused_until": (string | null); "reason": (string | null) }>; "overrides": Array<{ "at": string; "by": string; "items": Array<{ "id": string; "sentence": string }> }>; "replies": Array<{ "at": string; "contact_id": string; "outcome": string; "attempt": number; "reply": (string | null); "rule": (string | null); "phase": string; "mx_host": (string | null) }>; "breakdown": ({ "as_of": string; "destinations": Array<{ "name": string; "messages": number; "counts": Record<string, number> }>; "refusals": Array<{ "outcome": string; "rule": (string | null); "replies": number; "latest_at": string; "example": (string | null) }> } | null) };

export type CampaignSummary = { "id": string; "name": string; "state": ("draft" | "scheduled" | "starting" | "sending" | "holding" | "paused" | "finishing" | "finished" | "cancelled" | "failed"); "recipients": number; "created_at": string; "scheduled_at": (string | null); "started_at": (string | null); "finished_at": (string | null); "failure": (string | null) };

export type Checklist = { "verdict": ("green" | "amber" | "red"); "rehearsal": boolean; "items": Array<{ "id": string; "verdict": ("green" | "amber" | "red"); "sentence": string; "fix": (string | null) }> };

export type ComparedCampaign = { "campaign": CampaignSummary; "counts": MessageCounts; "accepted_rate": (number | null); "bounce_rate": (number | null); "complaint_rate": (number | null) };

export type Contact = { "id": string; "email": string; "name": (string | null); "attributes": Record<string, (string | number | boolean)>; "tags": Array<string>; "created_at": string; "updated_at": string };

export type ContactDetails = { "id": string; "email": string; "name": (string | null); "attributes": Record<string, (string | number | boolean)>; "tags": Array<string>; "created_at": string; "updated_at": string; "subscriptions": Array<Subscription>; "suppression": ({ "reason": ("hard_bounce" | "complaint" | "manual"); "created_at": string } | null) };

export type DayCounts = { "accepted": number; "rejected": number; "uncertain": number; "suppressed": number; "cancelled": number; "expired": number; "bounced": number; "complained": number };

export type DeliveryRoute = { "domain": string; "route": string; "changed_at": string };

export type Destination = { "source": string; "target": string; "door": ("open" | "shut" | "probing"); "rule": Limits; "in_force": Limits; "sent_today": (number | null); "workers": Array<{ "id": string; "connections": number; "messages_per_second": (number | null) }>; "reasons": Array<{ "limit": ("door" | "connections" | "messages_per_second" | "messages_per_connection"); "rule": string; "reply": string; "since": string; "until": (string | null); "sentence": string }> };

export type DnsRecord = { "purpose": ("dkim" | "spf" | "dmarc" | "bounce" | "tracking"); "type": ("TXT" | "MX" | "CNAME"); "name": string; "value": string; "zone": string; "required": boolean; "found": Array<string>; "verdict": ("ok" | "missing" | "wrong" | "unknown" | "unchecked"); "advice": (string | null) };

export type Domain = { "domain": string; "signs": boolean; "created_at": string; "checked_at": (string | null); "keys": Array<{ "selector": string; "algorithm": ("rsa-sha256" | "ed25519-sha256"); "state": ("pending" | "active" | "retiring"); "created_at": string; "retiring_at": (string | null) }>; "records": Array<DnsRecord> };

export type Import = { "id": string; "list_id": string; "file_name": string; "state": ("running" | "finished" | "failed"); "records_done": number; "created": number; "updated": number; "unchanged": number; "duplicates": number; "rejected": number; "kept_unsubscribed": number; "bytes_done": number; "bytes_total": (number | null); "error": (string | null); "created_at": string; "progressed_at": string; "finished_at": (string | null) };

export type ImportPreview = { "records": number; "created": number; "updated": number; "unchanged": number; "duplicates": number; "rejected": number; "kept_unsubscribed": number; "first_rejects": Array<{ "line": number; "column": string; "value": string; "reason": string }> };

export type Invitation = { "id": string; "email": string; "role": ("owner" | "admin" | "marketer" | "analyst" | "billing"); "invited_by": (string | null); "created_at": string; "expires_at": string };

export type Invoice = { "id": string; "kind": ("invoice" | "credit_note"); "number": string; "issued_at": string; "payment_id": (string | null); "corrects": ({ "number": string; "reason": string } | null); "buyer_name": string; "buyer_email": string; "currency": string; "net_minor": number; "tax_minor": number; "gross_minor": number };

export type InvoiceMail = { "times_again": number; "state": (("queued" | "deferred" | "claimed" | "committing" | "uncertain" | "accepted" | "rejected" | "suppressed" | "cancelled" | "expired" | "bounced" | "complained") | null); "state_in_words": string; "next_try_at": (string | null) };

export type Key = { "id": string; "name": string; "role": ("owner" | "admin" | "marketer" | "analyst" | "billing"); "scopes": (Array<("contacts:read" | "contacts:write" | "templates:read" | "templates:write" | "campaigns:read" | "campaigns:write" | "campaigns:send" | "messages:read" | "messages:send" | "suppressions:read" | "suppressions:write" | "domains:read" | "domains:write" | "webhooks:read" | "webhooks:write" | "stats:read" | "billing:read" | "billing:write" | "members:read" | "members:write" | "keys:read" | "keys:write" | "audit:read" | "workspace:write" | "installation:read" | "installation:write")> | null); "created_by": (string | null); "created_at": string; "expires_at": (string | null); "last_used_at": (string | null); "revoked_at": (string | null) };

export type Limits = { "connections": number; "messages_per_connection": number; "messages_per_second": (number | null); "messages_per_day": (number | null) };

export type List = { "id": string; "name": string; "counts": { "unconfirmed": number; "subscribed": number; "unsubscribed": number }; "created_at": string };

export type ListMember = { "contact": Contact; "status": ("unconfirmed" | "subscribed" | "unsubscribed"); "changed_at": string };

export type Mail = { "from": MailAddress; "to": MailAddress; "reply_to"?: string; "attachments"?: Array<{ "filename": string; "content_type": string; "content": string }>; "subject": string; "text"?: string; "html"?: string };

export type MailAddress = { "email": string; "name"?: string };

export type MailedInvoice = { "id": string; "kind": ("invoice" | "credit_note"); "number": string; "issued_at": string; "payment_id": (string | null); "corrects": ({ "number": string; "reason": string } | null); "buyer_name": string; "buyer_email": string; "currency": string; "net_minor": number; "tax_minor": number; "gross_minor": number; "mail": InvoiceMail };

export type Me = { "kind": ("key" | "session"); "id": string; "workspace_id": string; "person_id": (string | null); "role": ("owner" | "admin" | "marketer" | "analyst" | "billing"); "scopes": Array<("contacts:read" | "contacts:write" | "templates:read" | "templates:write" | "campaigns:read" | "campaigns:write" | "campaigns:send" | "messages:read" | "messages:send" | "suppressions:read" | "suppressions:write" | "domains:read" | "domains:write" | "webhooks:read" | "webhooks:write" | "stats:read" | "billing:read" | "billing:write" | "members:read" | "members:write" | "keys:read" | "keys:write" | "audit:read" | "workspace:write" | "installation:read" | "installation:write")> };

export type Member = { "id": string; "email": string; "name": string; "role": ("owner" | "admin" | "marketer" | "analyst" | "billing"); "joined_at": string; "removed_at": (string | null) };

export type Message = { "id": string; "kind": ("campaign" | "transactional"); "campaign_id": (string | null); "contact_id": (string | null); "to": string; "state": ("queued" | "deferred" | "claimed" | "committing" | "uncertain" | "accepted" | "rejected" | "suppressed" | "cancelled" | "expired" | "bounced" | "complained"); "state_in_words": string; "attempts": number; "next_try_at": (string | null) };

export type MessageCounts = { "queued": number; "deferred": number; "claimed": number; "committing": number; "uncertain": number; "accepted": number; "rejected": number; "suppressed": number; "cancelled": number; "expired": number; "bounced": number; "complained": number };

export type MessageEvent = { "at": string; "kind": string; "attempt": number; "reply": (string | null); "mx_host": (string | null) };

export type MessageTimeline = { "id": string; "kind": ("campaign" | "transactional"); "campaign_id": (string | null); "contact_id": (string | null); "to": string; "state": ("queued" | "deferred" | "claimed" | "committing" | "uncertain" | "accepted" | "rejected" | "suppressed" | "cancelled" | "expired" | "bounced" | "complained"); "state_in_words": string; "attempts": number; "next_try_at": (string | null); "from": string; "subject": (string | null); "queued_at": (string | null); "queued_by": (string | null); "events": Array<MessageEvent> };

export type NewWebhook = { "id": string; "url": string; "events": Array<string>; "description": string; "created_at": string; "enabled": boolean; "disabled_for": (("asked" | "gone" | "failing") | null); "failing_since": (string | null); "failures": number; "secret": string };

export type Payment = { "id": string; "kind": ("charge" | "refund"); "state": ("intended" | "sent" | "unknown" | "pending" | "needs_review" | "succeeded" | "failed"); "amount_minor": number; "currency": string; "credits": number; "reference": (string | null); "invoice_id": (string | null); "refund_of": (string | null); "failure": ({ "code": string; "message": string } | null); "action_url": (string | null); "note": (string | null); "created_at": string; "decided_at": (string | null) };

export type Problem = { "type": string; "title": string; "status": number; "code": string; "detail"?: string; "errors"?: Array<{ "path": string; "message": string; "line"?: number; "column"?: number }>; "request_id": string };

export type QueuedMessage = { "id": string; "to": string; "state": ("queued") };

export type Relay = { "name": string; "host": (string | null); "port": (number | null); "tls": (("none" | "opportunistic" | "required" | "implicit") | null); "verify": (boolean | null); "user": (string | null); "error": (string | null); "trouble": ({ "failures": number; "paused_until": (string | null); "reason": (string | null) } | null); "created_at": string; "changed_at": string };

export type ReplyExplanation = { "class": string; "fault": string; "duration": ("none" | "temporary" | "permanent"); "action": string; "action_seconds": (number | null); "wait_seconds": (number | null); "suppress_after": ({ "campaigns": number; "days": number } | null); "rule": string; "source": string };

export type Segment = { "id": string; "name": string; "rules": SegmentRules; "sentence": string; "created_at": string; "updated_at": string };

export type SegmentCondition = ({ "field": "attribute"; "name": string; "type": "text"; "op": ("equals" | "contains" | "starts_with" | "ends_with"); "value": string } | { "field": "attribute"; "name": string; "type": "text"; "op": ("one_of"); "values": Array<string> } | { "field": "attribute"; "name": string; "type": "text"; "op": ("is_set") } | { "field": "attribute"; "name": string; "type": "number"; "op": ("equals" | "less_than" | "at_most" | "greater_than" | "at_least"); "value": number } | { "field": "attribute"; "name": string; "type": "number"; "op": ("between"); "from": number; "to": number } | { "field": "attribute"; "name": string; "type": "number"; "op": ("is_set") } | { "field": "attribute"; "name": string; "type": "boolean"; "op": ("is"); "value": boolean } | { "field": "attribute"; "name": string; "type": "boolean"; "op": ("is_set") } | { "field": "attribute"; "name": string; "type": "date"; "op": ("on" | "before" | "after"); "date": string } | { "field": "attribute"; "name": string; "type": "date"; "op": ("between"); "from": string; "to": string } | { "field": "attribute"; "name": string; "type": "date"; "op": ("in_last" | "in_next"); "days": number } | { "field": "attribute"; "name": string; "type": "date"; "op": ("is_set") } | { "field": "email"; "op": ("equals" | "contains" | "starts_with" | "ends_with"); "value": string } | { "field": "email"; "op": ("one_of"); "values": Array<string> } | { "field": "email_domain"; "op": ("equals" | "contains" | "starts_with" | "ends_with"); "value": string } | { "field": "email_domain"; "op": ("one_of"); "values": Array<string> } | { "field": "name"; "op": ("equals" | "contains" | "starts_with" | "ends_with"); "value": string } | { "field": "name"; "op": ("one_of"); "values": Array<string> } | { "field": "name"; "op": ("is_set") } | { "field": "signed_up"; "op": ("on" | "before" | "after"); "date": string } | { "field": "signed_up"; "op": ("between"); "from": string; "to": string } | { "field": "signed_up"; "op": ("in_last" | "in_next"); "days": number } | { "field": "list"; "list_id": string; "status"?: ("subscribed" | "unconfirmed" | "unsubscribed" | "any") } | { "field": "tag"; "tag": string } | { "field": "engagement"; "act": ("sent" | "accepted" | "opened" | "clicked" | "bounced" | "complained"); "in_last_days"?: number; "campaign_id"?: string });

export type SegmentExplanation = { "contact": SegmentMember; "is_member": boolean; "as_of": string; "sentence": string; "conditions": Array<{ "pointer": string; "sentence": string; "held": boolean; "value": unknown }> };

export type SegmentInnerGroup = ({ "all": Array<(SegmentCondition | { "not": SegmentCondition })> } | { "any": Array<(SegmentCondition | { "not": SegmentCondition })> });

export type SegmentMember = { "id": string; "email": string; "name": (string | null) };

export type SegmentRules = ({ "all": Array<(SegmentCondition | SegmentInnerGroup | { "not": (SegmentCondition | SegmentInnerGroup) })> } | { "any": Array<(SegmentCondition | SegmentInnerGroup | { "not": (SegmentCondition | SegmentInnerGroup) })> });

export type Seller = { "name": string; "address_line_1"?: string; "address_line_2"?: string; "post_code"?: string; "city"?: string; "country": string; "vat_identifier"?: string; "email": string; "registration"?: string; "tax_rate_basis_points": number; "payment_terms"?: string; "invoice_series": string; "credit_note_series": string };

export type SendPlan = { "scheduled_at": (string | null); "local_at": (string | null); "timezone": string; "window": (string | null); "stages": Array<number>; "hold_seconds": (number | null); "halt_above": { "bounces": (number | null); "complaints": (number | null); "deferrals": (number | null) }; "max_per_hour": (number | null) };

export type Session = { "id": string; "is_current": boolean; "address": (string | null); "user_agent": (string | null); "created_at": string; "last_used_at": string; "expires_at": string };

export type Source = { "address": string; "public_address": (string | null); "helo_name": string; "pool": string; "pool_is_open": boolean; "weight": number; "is_here": boolean; "warm_ups": Array<{ "provider": string; "start": string; "from": number; "factor": number; "until": number; "today": (number | null) }> };

export type SsoIdentity = { "provider": (string | null); "issuer": string; "subject": string; "added_at": string };

export type SsoProvider = { "name": string; "issuer": string; "client_id": string };

export type Stats = { "from": string; "to": string; "totals": DayCounts; "days": Array<{ "day": string; "counts": DayCounts }> };

export type Subscription = { "list_id": string; "list_name": string; "status": ("unconfirmed" | "subscribed" | "unsubscribed"); "changed_at": string };

export type Suppression = { "email": string; "reason": ("hard_bounce" | "complaint" | "manual"); "rule": (string | null); "detail": (string | null); "campaign_id": (string | null); "created_at": string };

export type Template = { "id": string; "name": string; "version": number; "created_at": string; "updated_at": string; "source": string };

export type TemplatePreview = { "subject": string; "html": (string | null); "text": string; "warnings": Array<{ "code": ("missing-field" | "no-unsubscribe-link" | "too-large"); "message": string; "line": (number | null) }> };

export type TemplateSummary = { "id": string; "name": string; "version": number; "created_at": string; "updated_at": string };

export type Webhook = { "id": string; "url": string; "events": Array<string>; "description": string; "created_at": string; "enabled": boolean; "disabled_for": (("asked" | "gone" | "failing") | null); "failing_since": (string | null); "failures": number };

export type WebhookDelivery = { "id": string; "type": string; "occurred_at": string; "state": ("waiting" | "under_way" | "delivered" | "failed"); "next_attempt_at": (string | null); "attempts": Array<{ "at": string; "ms": number; "status": (number | null); "reply": (string | null); "error": (string | null) }> };

export type WebhookEventType = ("message.accepted" | "message.deferred" | "message.rejected" | "message.bounced" | "message.uncertain" | "message.expired" | "message.suppressed" | "message.complained" | "contact.subscribed" | "contact.unsubscribed" | "campaign.started" | "campaign.paused" | "campaign.finished" | "campaign.cancelled" | "campaign.failed" | "import.finished" | "import.failed" | "domain.verified" | "payment.succeeded" | "payment.failed" | "invoice.issued");

export type Workspace = { "id": string; "name": string; "created_at": string };

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
  getFirstRun: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: Response };
  };
  getInvitation: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: Response };
  };
  getPasswordReset: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: Response };
  };
  getFirstOwner: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: { "owner_needed": boolean } };
  };
  postFirstOwner: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: { "token": string; "email": string; "name": string; "password": string };
    answer: { status: 200; body: Me };
  };
  postSignIn: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: { "email": string; "password": string; "code"?: string; "workspace_id"?: string };
    answer: { status: 200; body: Me };
  };
  getSignInProviders: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: { "data": Array<{ "name": string }> } };
  };
  postSignInSso: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: { "provider": string; "invitation"?: string };
    answer: { status: 200; body: { "url": string } };
  };
  getSignInSsoCallback: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: undefined;
    answer: { status: 303; body: null };
  };
  postSignOut: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: undefined;
    answer: { status: 204; body: null };
  };
  postPasswordResets: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: { "email": string };
    answer: { status: 202; body: null };
  };
  postPasswordResetsUse: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: { "token": string; "password": string; "code"?: string };
    answer: { status: 200; body: Me };
  };
  getSessions: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: { "data": Array<Session> } };
  };
  deleteSessionsById: {
    params: { id: string };
    query: Record<never, never>;
    body: undefined;
    answer: { status: 204; body: null };
  };
  getLive: {
    params: Record<never, never>;
    query: { topics: Array<string> };
    body: undefined;
    answer: { status: 200; body: Response };
  };
  getMe: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: Me };
  };
  getMeAccount: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: Account };
  };
  postMePassword: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: { "password": string; "new_password": string; "code"?: string };
    answer: { status: 200; body: Me };
  };
  getMeSso: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: { "data": Array<SsoIdentity> } };
  };
  postMeSso: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: { "provider": string; "password": string; "code"?: string };
    answer: { status: 200; body: { "url": string } };
  };
  postMeSsoRemove: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: { "issuer": string; "subject": string; "password": string; "code"?: string };
    answer: { status: 204; body: null };
  };
  postMeSecondFactor: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: { "password": string };
    answer: { status: 200; body: { "secret": string; "uri": string } };
  };
  postMeSecondFactorConfirm: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: { "code": string };
    answer: { status: 200; body: { "recovery_codes": Array<string> } };
  };
  postMeSecondFactorDisable: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: { "password": string; "code": string };
    answer: { status: 204; body: null };
  };
  postMeRecoveryCodes: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: { "password": string; "code": string };
    answer: { status: 200; body: { "recovery_codes": Array<string> } };
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
  getDomains: {
    params: Record<never, never>;
    query: { limit?: number; cursor?: string };
    body: undefined;
    answer: { status: 200; body: { "data": Array<Domain>; "next_cursor": (string | null) } };
  };
  postDomains: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: { "domain": string; "algorithms"?: Array<("rsa-sha256" | "ed25519-sha256")> };
    answer: { status: 201; body: Domain };
  };
  getDomainsByDomain: {
    params: { domain: string };
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: Domain };
  };
  deleteDomainsByDomain: {
    params: { domain: string };
    query: Record<never, never>;
    body: undefined;
    answer: { status: 204; body: null };
  };
  postDomainsByDomainCheck: {
    params: { domain: string };
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: Domain };
  };
  postDomainsByDomainKeys: {
    params: { domain: string };
    query: Record<never, never>;
    body: { "algorithms"?: Array<("rsa-sha256" | "ed25519-sha256")> };
    answer: { status: 201; body: Domain };
  };
  postDomainsByDomainKeysBySelectorRetire: {
    params: { domain: string; selector: string };
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: Domain };
  };
  getRelays: {
    params: Record<never, never>;
    query: { limit?: number; cursor?: string };
    body: undefined;
    answer: { status: 200; body: { "data": Array<Relay>; "next_cursor": (string | null) } };
  };
  postRelays: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: { "name": string; "url": string };
    answer: { status: 201; body: Relay };
  };
  getRelaysByName: {
    params: { name: string };
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: Relay };
  };
  patchRelaysByName: {
    params: { name: string };
    query: Record<never, never>;
    body: { "url": string };
    answer: { status: 200; body: Relay };
  };
  deleteRelaysByName: {
    params: { name: string };
    query: Record<never, never>;
    body: undefined;
    answer: { status: 204; body: null };
  };
  postRelaysByNameTest: {
    params: { name: string };
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: { "ok": boolean; "failure": (string | null); "encrypted": boolean; "logged_in": boolean; "offers": Array<string> } };
  };
  postRelaysByNameResume: {
    params: { name: string };
    query: Record<never, never>;
    body: undefined;
    answer: { status: 204; body: null };
  };
  getRoutes: {
    params: Record<never, never>;
    query: { limit?: number; cursor?: string };
    body: undefined;
    answer: { status: 200; body: { "data": Array<DeliveryRoute>; "next_cursor": (string | null) } };
  };
  postRoutes: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: { "domain": string; "route": string };
    answer: { status: 200; body: DeliveryRoute };
  };
  getRoutesByDomain: {
    params: { domain: string };
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: DeliveryRoute };
  };
  deleteRoutesByDomain: {
    params: { domain: string };
    query: Record<never, never>;
    body: undefined;
    answer: { status: 204; body: null };
  };
  getRoutePlan: {
    params: Record<never, never>;
    query: { domain: string };
    body: undefined;
    answer: { status: 200; body: { "domain": string; "levels": Array<Array<{ "way": string; "share": number }>>; "problems": Array<string> } };
  };
  getSources: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: { "data": Array<Source> } };
  };
  putSourcesByAddress: {
    params: { address: string };
    query: Record<never, never>;
    body: { "helo_name": string; "public_address"?: (string | null); "pool"?: string; "weight"?: number };
    answer: { status: 200; body: Source };
  };
  deleteSourcesByAddress: {
    params: { address: string };
    query: Record<never, never>;
    body: undefined;
    answer: { status: 204; body: null };
  };
  postSourcesByAddressCheck: {
    params: { address: string };
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: { "data": Array<{ "purpose": ("reverse" | "forward"); "type": ("PTR" | "A" | "AAAA"); "name": string; "value": string; "found": Array<string>; "verdict": ("ok" | "missing" | "wrong" | "unknown"); "advice": (string | null) }> } };
  };
  putSourcesByAddressWarmUpsByProvider: {
    params: { address: string; provider: string };
    query: Record<never, never>;
    body: { "start": string; "from": number; "factor": number; "until": number };
    answer: { status: 200; body: Source };
  };
  deleteSourcesByAddressWarmUpsByProvider: {
    params: { address: string; provider: string };
    query: Record<never, never>;
    body: undefined;
    answer: { status: 204; body: null };
  };
  getPools: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: { "data": Array<{ "name": string; "open": boolean; "sources": number }> } };
  };
  postPoolsByPoolOpen: {
    params: { pool: string };
    query: Record<never, never>;
    body: undefined;
    answer: { status: 204; body: null };
  };
  putPoolsByPoolGrantsByWorkspaceId: {
    params: { pool: string; workspace_id: string };
    query: Record<never, never>;
    body: undefined;
    answer: { status: 204; body: null };
  };
  deletePoolsByPoolGrantsByWorkspaceId: {
    params: { pool: string; workspace_id: string };
    query: Record<never, never>;
    body: undefined;
    answer: { status: 204; body: null };
  };
  getDestinations: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: { "data": Array<Destination> } };
  };
  postDestinationsResume: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: { "target": string; "source"?: string };
    answer: { status: 204; body: null };
  };
  getRepliesRules: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: { "data": Array<{ "rule": string; "source": string; "class": string; "fault": string; "action": (string | null); "via": (("relay" | "mx") | null); "mx": (Array<string> | null); "phases": (Array<("connect" | "greeting" | "ehlo" | "starttls" | "auth" | "rset" | "mail" | "rcpt" | "data" | "dot")> | null); "code": (string | null); "enhanced": (string | null); "text": (string | null) }> } };
  };
  postRepliesExplain: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: { "reply": string; "phase"?: ("connect" | "greeting" | "ehlo" | "starttls" | "auth" | "rset" | "mail" | "rcpt" | "data" | "dot"); "mx"?: string };
    answer: { status: 200; body: ReplyExplanation };
  };
  getRepliesUnclassified: {
    params: Record<never, never>;
    query: { since?: string };
    body: undefined;
    answer: { status: 200; body: { "data": Array<{ "template": string; "count": number; "phase": ("connect" | "greeting" | "ehlo" | "starttls" | "auth" | "rset" | "mail" | "rcpt" | "data" | "dot"); "mx": (string | null); "last_at": string; "example": string }> } };
  };
  postRepliesRerun: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: { "since"?: string; "dry_run"?: boolean };
    answer: { status: 200; body: { "refusals": number; "changed": number; "suppressions": number; "renamed": number; "undone_count": number; "undone": Array<{ "workspace_id": string; "email": string; "was": (string | null); "now": string }> } };
  };
  getAudit: {
    params: Record<never, never>;
    query: { limit?: number; cursor?: string };
    body: undefined;
    answer: { status: 200; body: { "data": Array<AuditEntry>; "next_cursor": (string | null) } };
  };
  getAuditExport: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: Response };
  };
  getAuditVerification: {
    params: Record<never, never>;
    query: { noted?: string };
    body: undefined;
    answer: { status: 200; body: { "is_intact": boolean; "entries": (number | null); "head": (string | null); "position": (number | null); "reason": (string | null) } };
  };
  getCampaigns: {
    params: Record<never, never>;
    query: { limit?: number; cursor?: string; state?: ("draft" | "scheduled" | "starting" | "sending" | "holding" | "paused" | "finishing" | "finished" | "cancelled" | "failed") };
    body: undefined;
    answer: { status: 200; body: { "data": Array<CampaignSummary>; "next_cursor": (string | null) } };
  };
  postCampaigns: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: { "name": string; "from": { "email": string; "name"?: (string | null) }; "reply_to"?: (string | null); "audience"?: { "list_ids"?: Array<string>; "segment_ids"?: Array<string>; "exclude"?: { "list_ids"?: Array<string>; "segment_ids"?: Array<string> } }; "template_id"?: string; "template"?: { "name": string; "source": string }; "postal_address"?: (string | null); "give_up_seconds"?: number };
    answer: { status: 201; body: Campaign };
  };
  getCampaignsById: {
    params: { id: string };
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: Campaign };
  };
  patchCampaignsById: {
    params: { id: string };
    query: Record<never, never>;
    body: { "from"?: { "email": string; "name"?: (string | null) }; "reply_to"?: (string | null); "audience"?: { "list_ids"?: Array<string>; "segment_ids"?: Array<string>; "exclude"?: { "list_ids"?: Array<string>; "segment_ids"?: Array<string> } }; "template_id"?: string; "template"?: { "name": string; "source": string }; "postal_address"?: (string | null); "give_up_seconds"?: number; "name"?: string };
    answer: { status: 200; body: Campaign };
  };
  deleteCampaignsById: {
    params: { id: string };
    query: Record<never, never>;
    body: undefined;
    answer: { status: 204; body: null };
  };
  postCampaignsByIdDuplicate: {
    params: { id: string };
    query: Record<never, never>;
    body: { "name"?: string };
    answer: { status: 201; body: Campaign };
  };
  getCampaignsByIdAudience: {
    params: { id: string };
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: AudienceEstimate };
  };
  getCampaignsByIdChecklist: {
    params: { id: string };
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: Checklist };
  };
  getCampaignsByIdPlan: {
    params: { id: string };
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: CampaignPlan };
  };
  getCampaignsByIdStatus: {
    params: { id: string };
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: CampaignStatus };
  };
  postCampaignsByIdTest: {
    params: { id: string };
    query: Record<never, never>;
    body: { "to": Array<string>; "contact_id"?: string };
    answer: { status: 201; body: { "data": Array<{ "id": string; "to": string }> } };
  };
  postCampaignsByIdSend: {
    params: { id: string };
    query: Record<never, never>;
    body: { "at"?: string; "local_at"?: string; "timezone"?: string; "window"?: string; "stages"?: Array<number>; "hold_seconds"?: (number | null); "halt_above"?: { "bounces"?: (number | null); "complaints"?: (number | null); "deferrals"?: (number | null) }; "max_per_hour"?: number; "accept_warnings"?: boolean; "force"?: boolean };
    answer: { status: 202; body: Campaign };
  };
  postCampaignsByIdPause: {
    params: { id: string };
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: Campaign };
  };
  postCampaignsByIdResume: {
    params: { id: string };
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: Campaign };
  };
  postCampaignsByIdContinue: {
    params: { id: string };
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: Campaign };
  };
  postCampaignsByIdRevise: {
    params: { id: string };
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: Campaign };
  };
  postCampaignsByIdCancel: {
    params: { id: string };
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: Campaign };
  };
  postCampaignsByIdPace: {
    params: { id: string };
    query: Record<never, never>;
    body: { "max_per_hour": (number | null) };
    answer: { status: 200; body: Campaign };
  };
  postCampaignsByIdWindow: {
    params: { id: string };
    query: Record<never, never>;
    body: { "window": (string | null); "timezone"?: string };
    answer: { status: 200; body: Campaign };
  };
  getContacts: {
    params: Record<never, never>;
    query: { limit?: number; cursor?: string; email?: string; email_prefix?: string; list_id?: string; status?: ("unconfirmed" | "subscribed" | "unsubscribed"); tag?: string };
    body: undefined;
    answer: { status: 200; body: { "data": Array<Contact>; "next_cursor": (string | null) } };
  };
  postContacts: {
    params: Record<never, never>;
    query: { upsert?: boolean };
    body: { "email": string; "name"?: string; "attributes"?: Record<string, (string | number | boolean)>; "tags"?: Array<string>; "list_ids"?: Array<string> };
    answer: { status: 200; body: ContactDetails } | { status: 201; body: ContactDetails };
  };
  postContactsBulk: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: { "contact_ids": Array<string>; "action": ({ "kind": "tag"; "add"?: Array<string>; "remove"?: Array<string> } | { "kind": "add_to_list"; "list_id": string } | { "kind": "unsubscribe"; "list_id"?: string } | { "kind": "delete" }) };
    answer: { status: 200; body: BulkOutcome };
  };
  getContactsById: {
    params: { id: string };
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: ContactDetails };
  };
  patchContactsById: {
    params: { id: string };
    query: Record<never, never>;
    body: { "email"?: string; "name"?: (string | null); "attributes"?: Record<string, ((string | number | boolean) | null)>; "tags"?: Array<string> };
    answer: { status: 200; body: Contact };
  };
  deleteContactsById: {
    params: { id: string };
    query: Record<never, never>;
    body: undefined;
    answer: { status: 204; body: null };
  };
  postContactsByIdSubscriptions: {
    params: { id: string };
    query: Record<never, never>;
    body: ({ "list_id": string; "act": ("add" | "request" | "confirm" | "unsubscribe") } | { "list_id": string; "act": "subscribe"; "consent": string });
    answer: { status: 200; body: { "list_id": string; "status": ("unconfirmed" | "subscribed" | "unsubscribed") } };
  };
  getImports: {
    params: Record<never, never>;
    query: { limit?: number; cursor?: string };
    body: undefined;
    answer: { status: 200; body: { "data": Array<Import>; "next_cursor": (string | null) } };
  };
  postImports: {
    params: Record<never, never>;
    query: { list?: string; list_id?: string; map?: Array<string>; type?: Array<string>; status?: ("subscribed" | "unconfirmed"); dry_run?: boolean; file_name?: string };
    body: Upload;
    answer: { status: 200; body: ImportPreview } | { status: 201; body: Import };
  };
  getImportsById: {
    params: { id: string };
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: Import };
  };
  getImportsByIdRejects: {
    params: { id: string };
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: Response };
  };
  getInvitations: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: { "data": Array<Invitation> } };
  };
  postInvitations: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: { "email": string; "role": ("owner" | "admin" | "marketer" | "analyst" | "billing") };
    answer: { status: 201; body: { "id": string; "link": (string | null); "expires_at": string; "is_mailed": boolean } };
  };
  deleteInvitationsById: {
    params: { id: string };
    query: Record<never, never>;
    body: undefined;
    answer: { status: 204; body: null };
  };
  postInvitationsOpen: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: { "token": string };
    answer: { status: 200; body: { "workspace": string; "email": string; "role": ("owner" | "admin" | "marketer" | "analyst" | "billing"); "is_known": boolean } };
  };
  postInvitationsAccept: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: { "token": string; "password": string; "name"?: string; "code"?: string };
    answer: { status: 200; body: Me };
  };
  getLists: {
    params: Record<never, never>;
    query: { limit?: number; cursor?: string };
    body: undefined;
    answer: { status: 200; body: { "data": Array<List>; "next_cursor": (string | null) } };
  };
  postLists: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: { "name": string };
    answer: { status: 201; body: List };
  };
  getListsById: {
    params: { id: string };
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: List };
  };
  patchListsById: {
    params: { id: string };
    query: Record<never, never>;
    body: { "name": string };
    answer: { status: 200; body: List };
  };
  deleteListsById: {
    params: { id: string };
    query: Record<never, never>;
    body: undefined;
    answer: { status: 204; body: null };
  };
  getListsByIdMembers: {
    params: { id: string };
    query: { limit?: number; cursor?: string; status?: ("unconfirmed" | "subscribed" | "unsubscribed") };
    body: undefined;
    answer: { status: 200; body: { "data": Array<ListMember>; "next_cursor": (string | null) } };
  };
  getMembers: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: { "data": Array<Member> } };
  };
  patchMembersById: {
    params: { id: string };
    query: Record<never, never>;
    body: { "role": ("owner" | "admin" | "marketer" | "analyst" | "billing") };
    answer: { status: 204; body: null };
  };
  deleteMembersById: {
    params: { id: string };
    query: Record<never, never>;
    body: undefined;
    answer: { status: 204; body: null };
  };
  postMembersByIdRestore: {
    params: { id: string };
    query: Record<never, never>;
    body: undefined;
    answer: { status: 204; body: null };
  };
  getMessages: {
    params: Record<never, never>;
    query: { limit?: number; cursor?: string; to?: string; state?: ("queued" | "deferred" | "claimed" | "committing" | "uncertain" | "accepted" | "rejected" | "suppressed" | "cancelled" | "expired" | "bounced" | "complained"); campaign_id?: string; from?: string; until?: string };
    body: undefined;
    answer: { status: 200; body: { "data": Array<Message>; "next_cursor": (string | null) } };
  };
  postMessages: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: Mail;
    answer: { status: 201; body: QueuedMessage };
  };
  postMessagesBatch: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: { "messages": Array<Mail> };
    answer: { status: 201; body: { "data": Array<BatchedMessage> } };
  };
  postMessagesFromTemplate: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: { "from": MailAddress; "to": MailAddress; "reply_to"?: string; "attachments"?: Array<{ "filename": string; "content_type": string; "content": string }>; "template_id": string; "fields"?: Record<string, unknown> };
    answer: { status: 201; body: QueuedMessage };
  };
  getMessagesById: {
    params: { id: string };
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: MessageTimeline };
  };
  postMessagesByIdCancel: {
    params: { id: string };
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: Message };
  };
  postMessagesByIdRetry: {
    params: { id: string };
    query: Record<never, never>;
    body: { "accept_duplicate"?: boolean };
    answer: { status: 200; body: Message };
  };
  getSsoProviders: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: { "data": Array<SsoProvider> } };
  };
  putSsoProvidersByName: {
    params: { name: string };
    query: Record<never, never>;
    body: { "issuer": string; "client_id": string; "client_secret": string };
    answer: { status: 200; body: SsoProvider };
  };
  deleteSsoProvidersByName: {
    params: { name: string };
    query: Record<never, never>;
    body: undefined;
    answer: { status: 204; body: null };
  };
  getStats: {
    params: Record<never, never>;
    query: { from?: string; to?: string };
    body: undefined;
    answer: { status: 200; body: Stats };
  };
  getStatsCampaigns: {
    params: Record<never, never>;
    query: { limit?: number; cursor?: string };
    body: undefined;
    answer: { status: 200; body: { "data": Array<ComparedCampaign>; "next_cursor": (string | null) } };
  };
  getTemplates: {
    params: Record<never, never>;
    query: { limit?: number; cursor?: string };
    body: undefined;
    answer: { status: 200; body: { "data": Array<TemplateSummary>; "next_cursor": (string | null) } };
  };
  postTemplates: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: { "name": string; "source": string };
    answer: { status: 201; body: Template };
  };
  getTemplatesById: {
    params: { id: string };
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: Template };
  };
  patchTemplatesById: {
    params: { id: string };
    query: Record<never, never>;
    body: { "name"?: string; "source"?: string };
    answer: { status: 200; body: Template };
  };
  deleteTemplatesById: {
    params: { id: string };
    query: Record<never, never>;
    body: undefined;
    answer: { status: 204; body: null };
  };
  postTemplatesByIdPreview: {
    params: { id: string };
    query: Record<never, never>;
    body: { "contact_id"?: string; "fields"?: Record<string, unknown> };
    answer: { status: 200; body: TemplatePreview };
  };
  getSuppressions: {
    params: Record<never, never>;
    query: { limit?: number; cursor?: string; email_prefix?: string; reason?: ("hard_bounce" | "complaint" | "manual") };
    body: undefined;
    answer: { status: 200; body: { "data": Array<Suppression>; "next_cursor": (string | null) } };
  };
  postSuppressions: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: { "emails": Array<string>; "note"?: string };
    answer: { status: 200; body: { "added": number; "already": number } };
  };
  postSuppressionsRemovals: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: { "emails": Array<string>; "reason": string };
    answer: { status: 200; body: { "removed": { "hard_bounce": number; "complaint": number; "manual": number }; "missing": number } };
  };
  getWorkspace: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: Workspace };
  };
  patchWorkspace: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: { "name": string };
    answer: { status: 200; body: Workspace };
  };
  getWorkspaces: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: { "data": Array<{ "id": string; "name": string; "role": ("owner" | "admin" | "marketer" | "analyst" | "billing") }> } };
  };
  postWorkspaces: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: { "name": string };
    answer: { status: 201; body: { "id": string } };
  };
  postWorkspacesByIdSwitch: {
    params: { id: string };
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: Me };
  };
  getWebhooks: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: { "data": Array<Webhook> } };
  };
  postWebhooks: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: { "url": string; "events": Array<WebhookEventType>; "description"?: string };
    answer: { status: 201; body: NewWebhook };
  };
  getWebhooksById: {
    params: { id: string };
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: Webhook };
  };
  patchWebhooksById: {
    params: { id: string };
    query: Record<never, never>;
    body: { "url"?: string; "events"?: Array<WebhookEventType>; "description"?: string; "enabled"?: boolean };
    answer: { status: 200; body: Webhook };
  };
  deleteWebhooksById: {
    params: { id: string };
    query: Record<never, never>;
    body: undefined;
    answer: { status: 204; body: null };
  };
  postWebhooksByIdRotateSecret: {
    params: { id: string };
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: { "secret": string; "previous_valid_until": string } };
  };
  postWebhooksByIdTest: {
    params: { id: string };
    query: Record<never, never>;
    body: undefined;
    answer: { status: 202; body: WebhookDelivery };
  };
  postWebhooksByIdReplay: {
    params: { id: string };
    query: Record<never, never>;
    body: { "since": string };
    answer: { status: 200; body: { "replayed": number; "has_more": boolean } };
  };
  getWebhooksByIdDeliveries: {
    params: { id: string };
    query: { limit?: number; cursor?: string; state?: ("failed") };
    body: undefined;
    answer: { status: 200; body: { "data": Array<WebhookDelivery>; "next_cursor": (string | null) } };
  };
  getWebhooksByIdDeliveriesByDeliveryId: {
    params: { id: string; delivery_id: string };
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: WebhookDelivery };
  };
  postWebhooksByIdDeliveriesByDeliveryIdReplay: {
    params: { id: string; delivery_id: string };
    query: Record<never, never>;
    body: undefined;
    answer: { status: 202; body: WebhookDelivery };
  };
  getSegments: {
    params: Record<never, never>;
    query: { limit?: number; cursor?: string };
    body: undefined;
    answer: { status: 200; body: { "data": Array<Segment>; "next_cursor": (string | null) } };
  };
  postSegments: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: { "name": string; "rules": SegmentRules };
    answer: { status: 201; body: Segment };
  };
  postSegmentsPreview: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: { "rules": SegmentRules };
    answer: { status: 200; body: { "count": number; "as_of": string; "sentence": string; "sample": Array<SegmentMember> } };
  };
  getSegmentsById: {
    params: { id: string };
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: Segment };
  };
  patchSegmentsById: {
    params: { id: string };
    query: Record<never, never>;
    body: { "name"?: string; "rules"?: SegmentRules };
    answer: { status: 200; body: Segment };
  };
  deleteSegmentsById: {
    params: { id: string };
    query: Record<never, never>;
    body: undefined;
    answer: { status: 204; body: null };
  };
  getSegmentsByIdCount: {
    params: { id: string };
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: { "count": number; "as_of": string } };
  };
  getSegmentsByIdSample: {
    params: { id: string };
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: { "data": Array<SegmentMember> } };
  };
  getSegmentsByIdContacts: {
    params: { id: string };
    query: { limit?: number; cursor?: string };
    body: undefined;
    answer: { status: 200; body: { "data": Array<SegmentMember>; "next_cursor": (string | null) } };
  };
  getSegmentsByIdContactsByContactIdExplanation: {
    params: { id: string; contact_id: string };
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: SegmentExplanation };
  };
  getCredits: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: { "balance": number; "prices": Array<{ "credits": number; "price_minor": number; "currency": string }> } };
  };
  getInvoices: {
    params: Record<never, never>;
    query: { limit?: number; cursor?: string };
    body: undefined;
    answer: { status: 200; body: { "data": Array<Invoice>; "next_cursor": (string | null) } };
  };
  postInvoices: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: { "credits": number; "currency"?: string; "buyer": Buyer };
    answer: { status: 201; body: { "id": string; "number": string } };
  };
  getInvoicesById: {
    params: { id: string };
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: MailedInvoice };
  };
  getInvoicesByIdPdf: {
    params: { id: string };
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: Response };
  };
  postInvoicesByIdMail: {
    params: { id: string };
    query: Record<never, never>;
    body: undefined;
    answer: { status: 202; body: MailedInvoice };
  };
  getSeller: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: undefined;
    answer: { status: 200; body: { "is_set": boolean; "seller": Seller } };
  };
  putSeller: {
    params: Record<never, never>;
    query: Record<never, never>;
    body: Seller;
    answer: { status: 200; body: Seller };
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
  postPaymentsByIdCancel: {
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
  getFirstRun: { method: 'GET', path: '/first-run', isKeyed: false },
  getInvitation: { method: 'GET', path: '/invitation', isKeyed: false },
  getPasswordReset: { method: 'GET', path: '/password-reset', isKeyed: false },
  getFirstOwner: { method: 'GET', path: '/v1/first-owner', isKeyed: false },
  postFirstOwner: { method: 'POST', path: '/v1/first-owner', isKeyed: false },
  postSignIn: { method: 'POST', path: '/v1/sign-in', isKeyed: false },
  getSignInProviders: { method: 'GET', path: '/v1/sign-in/providers', isKeyed: false },
  postSignInSso: { method: 'POST', path: '/v1/sign-in/sso', isKeyed: false },
  getSignInSsoCallback: { method: 'GET', path: '/v1/sign-in/sso/callback', isKeyed: false },
  postSignOut: { method: 'POST', path: '/v1/sign-out', isKeyed: false },
  postPasswordResets: { method: 'POST', path: '/v1/password-resets', isKeyed: false },
  postPasswordResetsUse: { method: 'POST', path: '/v1/password-resets/use', isKeyed: false },
  getSessions: { method: 'GET', path: '/v1/sessions', isKeyed: false },
  deleteSessionsById: { method: 'DELETE', path: '/v1/sessions/{id}', isKeyed: false },
  getLive: { method: 'GET', path: '/v1/live', isKeyed: false },
  getMe: { method: 'GET', path: '/v1/me', isKeyed: false },
  getMeAccount: { method: 'GET', path: '/v1/me/account', isKeyed: false },
  postMePassword: { method: 'POST', path: '/v1/me/password', isKeyed: false },
  getMeSso: { method: 'GET', path: '/v1/me/sso', isKeyed: false },
  postMeSso: { method: 'POST', path: '/v1/me/sso', isKeyed: false },
  postMeSsoRemove: { method: 'POST', path: '/v1/me/sso/remove', isKeyed: false },
  postMeSecondFactor: { method: 'POST', path: '/v1/me/second-factor', isKeyed: false },
  postMeSecondFactorConfirm: { method: 'POST', path: '/v1/me/second-factor/confirm', isKeyed: false },
  postMeSecondFactorDisable: { method: 'POST', path: '/v1/me/second-factor/disable', isKeyed: false },
  postMeRecoveryCodes: { method: 'POST', path: '/v1/me/recovery-codes', isKeyed: false },
  getKeys: { method: 'GET', path: '/v1/keys', isKeyed: false },
  postKeys: { method: 'POST', path: '/v1/keys', isKeyed: false },
  deleteKeysById: { method: 'DELETE', path: '/v1/keys/{id}', isKeyed: false },
  getDomains: { method: 'GET', path: '/v1/domains', isKeyed: false },
  postDomains: { method: 'POST', path: '/v1/domains', isKeyed: true },
  getDomainsByDomain: { method: 'GET', path: '/v1/domains/{domain}', isKeyed: false },
  deleteDomainsByDomain: { method: 'DELETE', path: '/v1/domains/{domain}', isKeyed: false },
  postDomainsByDomainCheck: { method: 'POST', path: '/v1/domains/{domain}/check', isKeyed: false },
  postDomainsByDomainKeys: { method: 'POST', path: '/v1/domains/{domain}/keys', isKeyed: true },
  postDomainsByDomainKeysBySelectorRetire: { method: 'POST', path: '/v1/domains/{domain}/keys/{selector}/retire', isKeyed: true },
  getRelays: { method: 'GET', path: '/v1/relays', isKeyed: false },
  postRelays: { method: 'POST', path: '/v1/relays', isKeyed: true },
  getRelaysByName: { method: 'GET', path: '/v1/relays/{name}', isKeyed: false },
  patchRelaysByName: { method: 'PATCH', path: '/v1/relays/{name}', isKeyed: false },
  deleteRelaysByName: { method: 'DELETE', path: '/v1/relays/{name}', isKeyed: false },
  postRelaysByNameTest: { method: 'POST', path: '/v1/relays/{name}/test', isKeyed: false },
  postRelaysByNameResume: { method: 'POST', path: '/v1/relays/{name}/resume', isKeyed: true },
  getRoutes: { method: 'GET', path: '/v1/routes', isKeyed: false },
  postRoutes: { method: 'POST', path: '/v1/routes', isKeyed: true },
  getRoutesByDomain: { method: 'GET', path: '/v1/routes/{domain}', isKeyed: false },
  deleteRoutesByDomain: { method: 'DELETE', path: '/v1/routes/{domain}', isKeyed: false },
  getRoutePlan: { method: 'GET', path: '/v1/route-plan', isKeyed: false },
  getSources: { method: 'GET', path: '/v1/sources', isKeyed: false },
  putSourcesByAddress: { method: 'PUT', path: '/v1/sources/{address}', isKeyed: false },
  deleteSourcesByAddress: { method: 'DELETE', path: '/v1/sources/{address}', isKeyed: false },
  postSourcesByAddressCheck: { method: 'POST', path: '/v1/sources/{address}/check', isKeyed: false },
  putSourcesByAddressWarmUpsByProvider: { method: 'PUT', path: '/v1/sources/{address}/warm-ups/{provider}', isKeyed: false },
  deleteSourcesByAddressWarmUpsByProvider: { method: 'DELETE', path: '/v1/sources/{address}/warm-ups/{provider}', isKeyed: false },
  getPools: { method: 'GET', path: '/v1/pools', isKeyed: false },
  postPoolsByPoolOpen: { method: 'POST', path: '/v1/pools/{pool}/open', isKeyed: true },
  putPoolsByPoolGrantsByWorkspaceId: { method: 'PUT', path: '/v1/pools/{pool}/grants/{workspace_id}', isKeyed: false },
  deletePoolsByPoolGrantsByWorkspaceId: { method: 'DELETE', path: '/v1/pools/{pool}/grants/{workspace_id}', isKeyed: false },
  getDestinations: { method: 'GET', path: '/v1/destinations', isKeyed: false },
  postDestinationsResume: { method: 'POST', path: '/v1/destinations/resume', isKeyed: true },
  getRepliesRules: { method: 'GET', path: '/v1/replies/rules', isKeyed: false },
  postRepliesExplain: { method: 'POST', path: '/v1/replies/explain', isKeyed: false },
  getRepliesUnclassified: { method: 'GET', path: '/v1/replies/unclassified', isKeyed: false },
  postRepliesRerun: { method: 'POST', path: '/v1/replies/rerun', isKeyed: false },
  getAudit: { method: 'GET', path: '/v1/audit', isKeyed: false },
  getAuditExport: { method: 'GET', path: '/v1/audit/export', isKeyed: false },
  getAuditVerification: { method: 'GET', path: '/v1/audit/verification', isKeyed: false },
  getCampaigns: { method: 'GET', path: '/v1/campaigns', isKeyed: false },
  postCampaigns: { method: 'POST', path: '/v1/campaigns', isKeyed: true },
  getCampaignsById: { method: 'GET', path: '/v1/campaigns/{id}', isKeyed: false },
  patchCampaignsById: { method: 'PATCH', path: '/v1/campaigns/{id}', isKeyed: false },
  deleteCampaignsById: { method: 'DELETE', path: '/v1/campaigns/{id}', isKeyed: false },
  postCampaignsByIdDuplicate: { method: 'POST', path: '/v1/campaigns/{id}/duplicate', isKeyed: true },
  getCampaignsByIdAudience: { method: 'GET', path: '/v1/campaigns/{id}/audience', isKeyed: false },
  getCampaignsByIdChecklist: { method: 'GET', path: '/v1/campaigns/{id}/checklist', isKeyed: false },
  getCampaignsByIdPlan: { method: 'GET', path: '/v1/campaigns/{id}/plan', isKeyed: false },
  getCampaignsByIdStatus: { method: 'GET', path: '/v1/campaigns/{id}/status', isKeyed: false },
  postCampaignsByIdTest: { method: 'POST', path: '/v1/campaigns/{id}/test', isKeyed: true },
  postCampaignsByIdSend: { method: 'POST', path: '/v1/campaigns/{id}/send', isKeyed: true },
  postCampaignsByIdPause: { method: 'POST', path: '/v1/campaigns/{id}/pause', isKeyed: true },
  postCampaignsByIdResume: { method: 'POST', path: '/v1/campaigns/{id}/resume', isKeyed: true },
  postCampaignsByIdContinue: { method: 'POST', path: '/v1/campaigns/{id}/continue', isKeyed: true },
  postCampaignsByIdRevise: { method: 'POST', path: '/v1/campaigns/{id}/revise', isKeyed: true },
  postCampaignsByIdCancel: { method: 'POST', path: '/v1/campaigns/{id}/cancel', isKeyed: true },
  postCampaignsByIdPace: { method: 'POST', path: '/v1/campaigns/{id}/pace', isKeyed: true },
  postCampaignsByIdWindow: { method: 'POST', path: '/v1/campaigns/{id}/window', isKeyed: true },
  getContacts: { method: 'GET', path: '/v1/contacts', isKeyed: false },
  postContacts: { method: 'POST', path: '/v1/contacts', isKeyed: true },
  postContactsBulk: { method: 'POST', path: '/v1/contacts/bulk', isKeyed: true },
  getContactsById: { method: 'GET', path: '/v1/contacts/{id}', isKeyed: false },
  patchContactsById: { method: 'PATCH', path: '/v1/contacts/{id}', isKeyed: false },
  deleteContactsById: { method: 'DELETE', path: '/v1/contacts/{id}', isKeyed: false },
  postContactsByIdSubscriptions: { method: 'POST', path: '/v1/contacts/{id}/subscriptions', isKeyed: true },
  getImports: { method: 'GET', path: '/v1/imports', isKeyed: false },
  postImports: { method: 'POST', path: '/v1/imports', isKeyed: true },
  getImportsById: { method: 'GET', path: '/v1/imports/{id}', isKeyed: false },
  getImportsByIdRejects: { method: 'GET', path: '/v1/imports/{id}/rejects', isKeyed: false },
  getInvitations: { method: 'GET', path: '/v1/invitations', isKeyed: false },
  postInvitations: { method: 'POST', path: '/v1/invitations', isKeyed: false },
  deleteInvitationsById: { method: 'DELETE', path: '/v1/invitations/{id}', isKeyed: false },
  postInvitationsOpen: { method: 'POST', path: '/v1/invitations/open', isKeyed: false },
  postInvitationsAccept: { method: 'POST', path: '/v1/invitations/accept', isKeyed: false },
  getLists: { method: 'GET', path: '/v1/lists', isKeyed: false },
  postLists: { method: 'POST', path: '/v1/lists', isKeyed: true },
  getListsById: { method: 'GET', path: '/v1/lists/{id}', isKeyed: false },
  patchListsById: { method: 'PATCH', path: '/v1/lists/{id}', isKeyed: false },
  deleteListsById: { method: 'DELETE', path: '/v1/lists/{id}', isKeyed: false },
  getListsByIdMembers: { method: 'GET', path: '/v1/lists/{id}/members', isKeyed: false },
  getMembers: { method: 'GET', path: '/v1/members', isKeyed: false },
  patchMembersById: { method: 'PATCH', path: '/v1/members/{id}', isKeyed: false },
  deleteMembersById: { method: 'DELETE', path: '/v1/members/{id}', isKeyed: false },
  postMembersByIdRestore: { method: 'POST', path: '/v1/members/{id}/restore', isKeyed: true },
  getMessages: { method: 'GET', path: '/v1/messages', isKeyed: false },
  postMessages: { method: 'POST', path: '/v1/messages', isKeyed: true },
  postMessagesBatch: { method: 'POST', path: '/v1/messages/batch', isKeyed: true },
  postMessagesFromTemplate: { method: 'POST', path: '/v1/messages/from-template', isKeyed: true },
  getMessagesById: { method: 'GET', path: '/v1/messages/{id}', isKeyed: false },
  postMessagesByIdCancel: { method: 'POST', path: '/v1/messages/{id}/cancel', isKeyed: true },
  postMessagesByIdRetry: { method: 'POST', path: '/v1/messages/{id}/retry', isKeyed: true },
  getSsoProviders: { method: 'GET', path: '/v1/sso-providers', isKeyed: false },
  putSsoProvidersByName: { method: 'PUT', path: '/v1/sso-providers/{name}', isKeyed: false },
  deleteSsoProvidersByName: { method: 'DELETE', path: '/v1/sso-providers/{name}', isKeyed: false },
  getStats: { method: 'GET', path: '/v1/stats', isKeyed: false },
  getStatsCampaigns: { method: 'GET', path: '/v1/stats/campaigns', isKeyed: false },
  getTemplates: { method: 'GET', path: '/v1/templates', isKeyed: false },
  postTemplates: { method: 'POST', path: '/v1/templates', isKeyed: true },
  getTemplatesById: { method: 'GET', path: '/v1/templates/{id}', isKeyed: false },
  patchTemplatesById: { method: 'PATCH', path: '/v1/templates/{id}', isKeyed: false },
  deleteTemplatesById: { method: 'DELETE', path: '/v1/templates/{id}', isKeyed: false },
  postTemplatesByIdPreview: { method: 'POST', path: '/v1/templates/{id}/preview', isKeyed: false },
  getSuppressions: { method: 'GET', path: '/v1/suppressions', isKeyed: false },
  postSuppressions: { method: 'POST', path: '/v1/suppressions', isKeyed: true },
  postSuppressionsRemovals: { method: 'POST', path: '/v1/suppressions/removals', isKeyed: true },
  getWorkspace: { method: 'GET', path: '/v1/workspace', isKeyed: false },
  patchWorkspace: { method: 'PATCH', path: '/v1/workspace', isKeyed: false },
  getWorkspaces: { method: 'GET', path: '/v1/workspaces', isKeyed: false },
  postWorkspaces: { method: 'POST', path: '/v1/workspaces', isKeyed: true },
  postWorkspacesByIdSwitch: { method: 'POST', path: '/v1/workspaces/{id}/switch', isKeyed: false },
  getWebhooks: { method: 'GET', path: '/v1/webhooks', isKeyed: false },
  postWebhooks: { method: 'POST', path: '/v1/webhooks', isKeyed: false },
  getWebhooksById: { method: 'GET', path: '/v1/webhooks/{id}', isKeyed: false },
  patchWebhooksById: { method: 'PATCH', path: '/v1/webhooks/{id}', isKeyed: false },
  deleteWebhooksById: { method: 'DELETE', path: '/v1/webhooks/{id}', isKeyed: false },
  postWebhooksByIdRotateSecret: { method: 'POST', path: '/v1/webhooks/{id}/rotate-secret', isKeyed: false },
  postWebhooksByIdTest: { method: 'POST', path: '/v1/webhooks/{id}/test', isKeyed: true },
  postWebhooksByIdReplay: { method: 'POST', path: '/v1/webhooks/{id}/replay', isKeyed: true },
  getWebhooksByIdDeliveries: { method: 'GET', path: '/v1/webhooks/{id}/deliveries', isKeyed: false },
  getWebhooksByIdDeliveriesByDeliveryId: { method: 'GET', path: '/v1/webhooks/{id}/deliveries/{delivery_id}', isKeyed: false },
  postWebhooksByIdDeliveriesByDeliveryIdReplay: { method: 'POST', path: '/v1/webhooks/{id}/deliveries/{delivery_id}/replay', isKeyed: true },
  getSegments: { method: 'GET', path: '/v1/segments', isKeyed: false },
  postSegments: { method: 'POST', path: '/v1/segments', isKeyed: true },
  postSegmentsPreview: { method: 'POST', path: '/v1/segments/preview', isKeyed: false },
  getSegmentsById: { method: 'GET', path: '/v1/segments/{id}', isKeyed: false },
  patchSegmentsById: { method: 'PATCH', path: '/v1/segments/{id}', isKeyed: false },
  deleteSegmentsById: { method: 'DELETE', path: '/v1/segments/{id}', isKeyed: false },
  getSegmentsByIdCount: { method: 'GET', path: '/v1/segments/{id}/count', isKeyed: false },
  getSegmentsByIdSample: { method: 'GET', path: '/v1/segments/{id}/sample', isKeyed: false },
  getSegmentsByIdContacts: { method: 'GET', path: '/v1/segments/{id}/contacts', isKeyed: false },
  getSegmentsByIdContactsByContactIdExplanation: { method: 'GET', path: '/v1/segments/{id}/contacts/{contact_id}/explanation', isKeyed: false },
  getCredits: { method: 'GET', path: '/v1/credits', isKeyed: false },
  getInvoices: { method: 'GET', path: '/v1/invoices', isKeyed: false },
  postInvoices: { method: 'POST', path: '/v1/invoices', isKeyed: true },
  getInvoicesById: { method: 'GET', path: '/v1/invoices/{id}', isKeyed: false },
  getInvoicesByIdPdf: { method: 'GET', path: '/v1/invoices/{id}/pdf', isKeyed: false },
  postInvoicesByIdMail: { method: 'POST', path: '/v1/invoices/{id}/mail', isKeyed: true },
  getSeller: { method: 'GET', path: '/v1/seller', isKeyed: false },
  putSeller: { method: 'PUT', path: '/v1/seller', isKeyed: false },
  getPayments: { method: 'GET', path: '/v1/payments', isKeyed: false },
  postPayments: { method: 'POST', path: '/v1/payments', isKeyed: true },
  getPaymentsById: { method: 'GET', path: '/v1/payments/{id}', isKeyed: false },
  postPaymentsByIdCancel: { method: 'POST', path: '/v1/payments/{id}/cancel', isKeyed: true },
  postPaymentsByIdRefunds: { method: 'POST', path: '/v1/payments/{id}/refunds', isKeyed: true },
  postProviderEventsStripe: { method: 'POST', path: '/v1/provider-events/stripe', isKeyed: false },
};
