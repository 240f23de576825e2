/** What cannot be done, in a sentence for whoever asked for it, and a word that programs can rely on. */

export type AccountRefusal =
  | 'already-member'
  | 'email-invalid'
  | 'email-taken'
  | 'key-invalid'
  | 'last-owner'
  | 'link-invalid'
  | 'name-invalid'
  | 'not-allowed'
  | 'not-found'
  | 'password-refused'
  | 'provider-invalid'
  | 'second-factor-invalid'
  | 'sign-in-needed';

export class AccountRefused extends Error {
  override readonly name = 'AccountRefused';
  readonly code: AccountRefusal;
  constructor(code: AccountRefusal, sentence: string) {
    super(sentence);
    this.code = code;
  }
}
