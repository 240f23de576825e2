/**
 * What a person is told when a command fails: one sentence that says what, where and what to do, and an exit code.
 *
 * Errors that were made for people (TemplateError, CampaignRefused, …) already are that sentence. Everything that is
 * not known here is a mistake of ours, and only then a stack trace is shown.
 */

import { AccountRefused } from '../accounts/refused.ts';
import { ImportRefused } from '../audience/import-refused.ts';
import { AudienceRefused } from '../audience/refused.ts';
import { SegmentRefused } from '../audience/segment-rules.ts';
import { PaymentRefused } from '../billing/charge.ts';
import { SellerRefused } from '../billing/seller.ts';
import { CampaignUnsendable } from '../campaigns/draft-check.ts';
import { CampaignRefused } from '../campaigns/refused.ts';
import { SenderError } from '../content/message.ts';
import { TemplateError } from '../content/template-error.ts';
import { ConfigError } from '../kernel/config.ts';
import { PostgresUnavailable } from '../kernel/embedded-postgres.ts';
import { MigrationRefused } from '../kernel/migrate.ts';
import { ScopeEnded } from '../kernel/scope.ts';
import { SealBroken } from '../kernel/secrets.ts';
import { DomainRefused } from '../senders/domain-names.ts';
import { RouteRefused } from '../senders/route-names.ts';
import { SmtpUrlError } from '../smtp/url.ts';
import { explainDatabaseError } from './database-errors.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { explainFileError } from './file-errors.ts';

/** A sentence for the person at the terminal. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly exitCode: ExitCode;
  constructor(exitCode: ExitCode, sentence: string) {
    super(sentence);
    this.exitCode = exitCode;
  }
}

export function usageError(sentence: string): CommandError {
  return new CommandError(EXIT.usage, sentence);
}

export function unavailable(sentence: string): CommandError {
  return new CommandError(EXIT.unavailable, sentence);
}

export interface Explanation {
  sentence: string;
  exitCode: ExitCode;
}

/** Classes whose message is the sentence. */
const SENTENCES: [type: new (...parameters: never[]) => Error, exitCode: ExitCode][] = [
  [ConfigError, EXIT.usage],
  [SmtpUrlError, EXIT.usage],
  [AccountRefused, EXIT.usage],
  [AudienceRefused, EXIT.usage],
  [CampaignRefused, EXIT.usage],
  [CampaignUnsendable, EXIT.usage],
  [ImportRefused, EXIT.usage],
  [DomainRefused, EXIT.usage],
  [PaymentRefused, EXIT.usage],
  [RouteRefused, EXIT.usage],
  [SellerRefused, EXIT.usage],
  [SealBroken, EXIT.usage],
  [SegmentRefused, EXIT.usage],
  [TemplateError, EXIT.usage],

  [SenderError, EXIT.usage],
  [MigrationRefused, EXIT.failed],
  [PostgresUnavailable, EXIT.unavailable],
];

/** `databaseUrl` is only used to name the server; its password is never repeated. */
export function explain(error: unknown, databaseUrl: string | undefined): Explanation {
  if (error instanceof CommandError) return { sentence: error.message, exitCode: error.exitCode };
  if (error instanceof ScopeEnded && error.kind === 'cancelled')
    return { sentence: 'Interrupted.', exitCode: EXIT.interrupted };
  const known = SENTENCES.find(([type]) => error instanceof type);
  if (known && error instanceof Error) return { sentence: error.message, exitCode: known[1] };
  return explainDatabaseError(error, databaseUrl) ?? explainFileError(error) ?? bug(error);
}

function bug(error: unknown): Explanation {
  const trace = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return {
    sentence: `This is a mistake in Camp, not yours. Please report it with these lines:\n${trace}`,
    exitCode: EXIT.bug,
  };
}
