/** What was asked of the audience cannot be done; the message is a sentence for whoever asked. */

export type AudienceRefusal = 'conflict' | 'not-found' | 'refused';

export class AudienceRefused extends Error {
  override readonly name = 'AudienceRefused';
  readonly code: AudienceRefusal;

  constructor(code: AudienceRefusal, message: string) {
    super(message);
    this.code = code;
  }
}
