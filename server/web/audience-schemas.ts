/** What contacts, lists, imports and suppressions have in common in their requests and answers. */
import Type from 'typebox';
import {
  ATTRIBUTE_CHARS_MAX,
  ATTRIBUTES_MAX,
  faultOfAttributeKey,
  NAME_CHARS_MAX,
  TAG_CHARS_MAX,
  TAGS_MAX,
} from '../audience/attributes.ts';
import { normaliseEmail } from '../audience/email.ts';
import { Problem } from './problem.ts';
import { nullable } from './schemas.ts';

/** Longer than an address may be: what people paste around it is taken off, and what is too long is said with a reason. */
export const Address = Type.String({
  minLength: 1,
  maxLength: 1_000,
  description: 'An address; it is kept in lower case, with its domain in ASCII.',
});

export const ContactName = Type.String({
  minLength: 1,
  maxLength: NAME_CHARS_MAX,
  pattern: '^[^\\r\\n]*$',
});

/** Of a list. */
export const ListName = Type.String({
  minLength: 1,
  maxLength: 200,
  pattern: '^\\S(.*\\S)?$',
  description: 'Without a space at its ends.',
});

const Tag = Type.String({
  minLength: 1,
  maxLength: TAG_CHARS_MAX,
  pattern: '^\\S(.*\\S)?$',
  description: 'As written: `vip` and `VIP` are two.',
});

export const Tags = Type.Array(Tag, { maxItems: TAGS_MAX, uniqueItems: true });

const Value = Type.Union([Type.String({ maxLength: ATTRIBUTE_CHARS_MAX }), Type.Number(), Type.Boolean()]);

const KEYS = { maxProperties: ATTRIBUTES_MAX };

export const Attributes = Type.Record(Type.String(), Value, {
  ...KEYS,
  description: 'By their key, in lower case with underscores: {"city": "Paris", "orders": 3, "vip": true}',
});

export const AttributeChanges = Type.Record(Type.String(), nullable(Value), {
  ...KEYS,
  description: 'Those that change; null takes one away.',
});

/** One address, as it is kept. Throws a Problem that says where it stands and what is wrong with it. */
export function readAddress(text: string, path: string): string {
  const address = normaliseEmail(text);
  if (address.kind === 'email') return address.email;
  throw invalidFields([{ path, message: `is no address: ${address.reason}` }]);
}

/** All of them, or a Problem with a pointer at each that is none. */
export function readAddresses(texts: readonly string[], path: string): string[] {
  const read = texts.map(normaliseEmail);
  const errors = read.flatMap((address, index) =>
    address.kind === 'email'
      ? []
      : [{ path: `${path}/${index}`, message: `is no address: ${address.reason}` }],
  );
  if (errors.length > 0) throw invalidFields(errors);
  return read.flatMap((address) => (address.kind === 'email' ? [address.email] : []));
}

/** Throws a Problem when a key cannot be one. */
export function checkAttributeKeys(attributes: object | undefined, path: string): void {
  const errors = Object.keys(attributes ?? {}).flatMap((key) => {
    const fault = faultOfAttributeKey(key);
    return fault === undefined ? [] : [{ path: `${path}/${pointer(key)}`, message: fault }];
  });
  if (errors.length > 0) throw invalidFields(errors);
}

/** RFC 6901 section 3. */
function pointer(key: string): string {
  return key.slice(0, 100).toWellFormed().replaceAll('~', '~0').replaceAll('/', '~1');
}

const ERRORS_MAX = 20;

function invalidFields(errors: { path: string; message: string }[]): Problem {
  const [first] = errors;
  return new Problem('invalid-request', `${first?.path} ${first?.message}.`, {
    errors: errors.slice(0, ERRORS_MAX),
  });
}
