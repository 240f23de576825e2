/**
 * One address, one spelling: what makes two rows of a file the same contact.
 *
 * Takes what people paste (spaces, invisible characters, `<…>`, quotes, `mailto:`) off the ends, lower-cases, and
 * writes the domain in ASCII (RFC 5890). Accepts the dot-atom form of RFC 5321 §4.1.2 only: a quoted local part or one
 * outside ASCII (RFC 6531) is valid but no relay can be relied on to take it, so it is refused with its own reason.
 * The result is its own normal form.
 */
import { domainToASCII } from 'node:url';

/** RFC 5321 §4.5.3.1.1. */
const LOCAL_PART_CHARS_MAX = 64;
/** RFC 5321 §4.5.3.1.3: a path of 256 with its two angle brackets. */
const ADDRESS_CHARS_MAX = 254;
/** What is looked at: an address and whatever may be wrapped around it. */
const INPUT_CHARS_MAX = 1000;

export type NormalisedEmail = { kind: 'email'; email: string } | { kind: 'invalid'; reason: string };

export function normaliseEmail(input: string): NormalisedEmail {
  if (input.length > INPUT_CHARS_MAX) return invalid(TOO_LONG);
  const address = unwrap(input);
  if (address === '') return invalid('it is empty');
  if (/[,;]/.test(address)) return invalid('it has a comma or a semicolon: one address only, please');
  const at = address.lastIndexOf('@');
  if (at < 0) return invalid('it has no @');
  const local = address.slice(0, at);
  const domain = asciiDomain(address.slice(at + 1));
  const reason = faultOfLocalPart(local) ?? faultOfDomain(domain);
  if (reason !== undefined) return invalid(reason);
  const email = `${local.toLowerCase()}@${domain}`;
  if (email.length > ADDRESS_CHARS_MAX) return invalid(TOO_LONG);
  return { kind: 'email', email };
}

const TOO_LONG = `it is longer than ${ADDRESS_CHARS_MAX} characters`;

function invalid(reason: string): NormalisedEmail {
  return { kind: 'invalid', reason };
}

/** White space, soft hyphen, zero-width characters and the marks of writing direction that spreadsheets add. */
const INVISIBLE = '[\\s\\u00ad\\u180e\\u200b-\\u200f\\u202a-\\u202e\\u2060-\\u2064\\u2066-\\u2069\\ufeff]+';
const INVISIBLE_ENDS = new RegExp(`^${INVISIBLE}|${INVISIBLE}$`, 'gu');
const WRAPPINGS = [/^<(.*)>$/su, /^"(.*)"$/su, /^'(.*)'$/su, /^“(.*)”$/su, /^mailto:(.*)$/isu];

function unwrap(input: string): string {
  const trimmed = input.replace(INVISIBLE_ENDS, '');
  for (const wrapping of WRAPPINGS) {
    const inner = wrapping.exec(trimmed)?.[1];
    if (inner !== undefined) return unwrap(inner);
  }
  return trimmed;
}

const ATEXT = /[a-z0-9!#$%&'*+/=?^_`{|}~-]/i;
const DOT_ATOM = new RegExp(`^${ATEXT.source}+(\\.${ATEXT.source}+)*$`, 'i');

function faultOfLocalPart(local: string): string | undefined {
  if (local === '') return 'there is nothing before the @';
  if (local.length > LOCAL_PART_CHARS_MAX)
    return `the part before the @ is longer than ${LOCAL_PART_CHARS_MAX} characters`;
  if (DOT_ATOM.test(local)) return undefined;
  if (/^".*"$/.test(local)) return 'the part before the @ is in quotation marks, which is not supported';
  for (const character of local) {
    const fault = character === '.' ? undefined : faultOfLocalCharacter(character);
    if (fault !== undefined) return fault;
  }
  return 'a dot stands first, last or twice in the part before the @';
}

function faultOfLocalCharacter(character: string): string | undefined {
  if (ATEXT.test(character)) return undefined;
  if (character === '@') return 'it has more than one @';
  if (/[\s\p{C}]/u.test(character)) return 'it has a space or an invisible character inside';
  if (character > '\x7f')
    return `the part before the @ has the letter ${character}, and mail systems cannot be relied on to take that`;
  return `it has the character ${character}`;
}

function asciiDomain(domain: string): string {
  const lower = domain.toLowerCase();
  return /^[\0-\x7f]*$/.test(lower) ? lower : domainToASCII(lower) || lower;
}

const LABEL = '[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?';
const DOMAIN = new RegExp(`^(${LABEL}\\.)+(?![0-9]+$)${LABEL}$`);

function faultOfDomain(domain: string): string | undefined {
  if (DOMAIN.test(domain)) return undefined;
  if (domain === '') return 'there is nothing after the @';
  if (!domain.includes('.')) return 'the part after the @ has no dot';
  if (/[\s\p{C}]/u.test(domain)) return 'it has a space or an invisible character inside';
  return 'the part after the @ is not a domain name';
}
