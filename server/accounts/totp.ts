/** Time-based one-time passwords (RFC 6238): six digits, steps of 30 s, one step early or late is forgiven. */
import { Secret, TOTP } from 'otpauth';

const STEP_SECONDS = 30;
const STEPS_FORGIVEN = 1;
/** RFC 4226 section 4: 160 bits are recommended. */
const SECRET_BYTES = 20;

export interface TotpEnrolment {
  /** In base32: what is sealed, and what a person types who cannot scan. */
  secret: string;
  /** `otpauth://totp/…`, to be shown as a QR code. */
  uri: string;
}

export function newTotp(email: string): TotpEnrolment {
  const secret = new Secret({ size: SECRET_BYTES });
  return { secret: secret.base32, uri: totpOf(secret.base32, email).toString() };
}

export function isTotpCode(text: string): boolean {
  return /^[0-9]{6}$/.test(text);
}

/** The time step that the code is of; null: it is none of now. */
export function stepOfCode(secret: string, code: string, nowMs: number): number | null {
  if (!isTotpCode(code)) return null;
  const delta = totpOf(secret).validate({ token: code, window: STEPS_FORGIVEN, timestamp: nowMs });
  return delta === null ? null : Math.floor(nowMs / 1_000 / STEP_SECONDS) + delta;
}

function totpOf(secret: string, label = ''): TOTP {
  return new TOTP({ issuer: 'Camp', label, secret: Secret.fromBase32(secret), period: STEP_SECONDS });
}
