/**
 * Whatever was thrown, as a Problem. Errors that were made for people already are a sentence; the database's and our own
 * mistakes are logged, and the client learns only the request's id.
 */
import { SignInBusy } from '../accounts/passwords.ts';
import { type AccountRefusal, AccountRefused } from '../accounts/refused.ts';
import { ImportRefused, ImportUnderWay } from '../audience/import-refused.ts';
import { AudienceRefused } from '../audience/refused.ts';
import { SegmentRefused, UnknownInRules } from '../audience/segment-rules.ts';
import { CampaignUnsendable } from '../campaigns/draft-check.ts';
import { type CampaignRefusal, CampaignRefused } from '../campaigns/refused.ts';
import { SenderError } from '../content/message.ts';
import { TemplateError } from '../content/template-error.ts';
import { isRetryable, isStatementTimeout } from '../kernel/database.ts';
import { LeaseLost } from '../kernel/jobs.ts';
import { ScopeEnded } from '../kernel/scope.ts';
import { DomainRefused } from '../senders/domain-names.ts';
import { RouteRefused } from '../senders/route-names.ts';
import { SmtpUrlError } from '../smtp/url.ts';
import { UrlRefused } from '../webhooks/destination.ts';
import { WebhookRefused } from '../webhooks/endpoints.ts';
import { comeAgain, invalid, notFound, Problem, type ProblemCode, unknownAt } from './problem.ts';

/** Classes whose message is a sentence for whoever asked. */
const REFUSALS: (new (...parameters: never[]) => Error)[] = [
  CampaignUnsendable,
  ImportRefused,
  SenderError,
  SmtpUrlError,
  TemplateError,
  UrlRefused,
];

const ACCOUNT_PROBLEMS: Partial<Record<AccountRefusal, ProblemCode>> = {
  'already-member': 'conflict',
  'email-taken': 'conflict',
  'last-owner': 'conflict',
  'not-allowed': 'missing-scope',
  'not-found': 'not-found',
};

const CAMPAIGN_PROBLEMS: Record<Exclude<CampaignRefusal, 'not-found'>, ProblemCode> = {
  state: 'conflict',
  plan: 'refused',
};

/** Of a COMMIT whose answer was lost, nobody here knows. */
const REPEAT = 'Whether it was done is not known here: repeat it with the same Idempotency-Key.';
const AGAIN_MS = 1_000;
const IMPORT_AGAIN_MS = 10_000;

export function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof ImportUnderWay) return comeAgain('conflict', error.message, IMPORT_AGAIN_MS);
  if (REFUSALS.some((refusal) => error instanceof refusal))
    return new Problem('refused', (error as Error).message);
  if (error instanceof CampaignRefused)
    return error.code === 'not-found'
      ? notFound('campaign')
      : new Problem(CAMPAIGN_PROBLEMS[error.code], error.message);
  if (error instanceof AccountRefused)
    return new Problem(ACCOUNT_PROBLEMS[error.code] ?? 'refused', error.message);
  if (error instanceof UnknownInRules) return unknownAt(`/body/rules${error.pointer}`, error.reason);
  if (error instanceof SegmentRefused) return invalid(`/body/rules${error.pointer}`, error.reason);
  if (error instanceof AudienceRefused) return new Problem(error.code, error.message);
  if (error instanceof SignInBusy) return comeAgain('overloaded', error.message, AGAIN_MS);
  if (error instanceof DomainRefused || error instanceof RouteRefused || error instanceof WebhookRefused)
    return new Problem(error.reason, error.message);
  if (error instanceof LeaseLost)
    return comeAgain('idempotency-key-in-use', 'Another request has taken the key over.', AGAIN_MS);
  if (error instanceof ScopeEnded) return ofScope(error);
  return ofFramework(error) ?? ofDatabase(error) ?? new Problem('internal');
}

function ofScope({ kind }: ScopeEnded): Problem {
  return kind === 'deadline'
    ? comeAgain('out-of-time', REPEAT, AGAIN_MS)
    : comeAgain('draining', REPEAT, AGAIN_MS);
}

function ofDatabase(error: unknown): Problem | undefined {
  if (isStatementTimeout(error)) return comeAgain('out-of-time', REPEAT, AGAIN_MS);
  return isRetryable(error) ? comeAgain('database-away', REPEAT, AGAIN_MS) : undefined;
}

/** By Fastify's codes. What it refuses and is not here is a request that cannot be read. */
function ofFramework(error: unknown): Problem | undefined {
  const code = codeOf(error);
  if (!code?.startsWith('FST_')) return undefined;
  switch (code) {
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new Problem('unsupported-media-type');
    case 'FST_ERR_HANDLER_TIMEOUT':
      return comeAgain('out-of-time', REPEAT, AGAIN_MS);
  }
  const isTheirs = error instanceof Error && 'statusCode' in error && Number(error.statusCode) < 500;
  return isTheirs ? new Problem('malformed-request') : undefined;
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}
