/**
 * What is known of a contact beside address and name: attributes with a text, a number or a boolean under a key, and tags.
 * An import reads them from cells (import-record.ts), the API as JSON; both end here, so that a template and a segment
 * find one spelling and one set of limits.
 */

export const ATTRIBUTE_TYPES = ['text', 'number', 'boolean'] as const;

export type AttributeType = (typeof ATTRIBUTE_TYPES)[number];
export type AttributeValue = string | number | boolean;

export const NAME_CHARS_MAX = 200;
export const ATTRIBUTES_MAX = 500;
export const ATTRIBUTE_CHARS_MAX = 10_000;
const ATTRIBUTE_KEY_CHARS_MAX = 100;
export const TAGS_MAX = 100;
export const TAG_CHARS_MAX = 100;

/** Lower case, and every other character than letters and digits an underscore: `First name` → `first_name`. */
export function attributeKey(title: string): string {
  return title
    .normalize('NFC')
    .toLowerCase()
    .replace(/[^\p{L}\p{M}\p{N}]+/gu, '_')
    .replace(/^_|_$/g, '');
}

/** Of a contact's own fields, which an attribute of the same key would hide. */
const FIELDS = ['email', 'name'];

/** Why this is no key of an attribute; undefined: it is one. */
export function faultOfAttributeKey(key: string): string | undefined {
  if (FIELDS.includes(key)) return `is a field of the contact, and no attribute`;
  if (key.length > ATTRIBUTE_KEY_CHARS_MAX) return `is longer than ${ATTRIBUTE_KEY_CHARS_MAX} characters`;
  const wanted = attributeKey(key);
  if (wanted === '') return 'has no letter and no digit';
  return key === wanted ? undefined : `must be written ${wanted}`;
}
