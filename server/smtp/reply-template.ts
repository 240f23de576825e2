/**
 * What replies of one kind have in common: their words without addresses, hosts, links, ids and numbers. Its hash is kept
 * with every refusal, so that thousands of the same can be counted, and shown to a person as one.
 */
import { hash } from 'node:crypto';
import { type Reply, replyText } from './reply.ts';

const HASH_CHARS = 12;

/** Codes of providers that mean something: TSS04, S3150, RP-001, BL000010, OFR_999. */
const PROVIDER_CODE = /^[A-Z]{1,4}[-_]?[0-9]{2,6}$/;

/** First match wins; a word is what stands between spaces, without the brackets and stops around it. */
const KINDS: readonly (readonly [name: string, pattern: RegExp])[] = [
  ['<url>', /^https?:\/\//i],
  ['<address>', /@/],
  ['<ip>', /^\d{1,3}(?:\.\d{1,3}){3}(?:\/\d+)?$/],
  ['<number>', /^[.,:/#-]*\d[\d.,:/#-]*$/],
  ['<ip>', /^[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}$/i],
  ['<host>', /^[\w-]+(?:\.[\w-]+)*\.[a-z]{2,}$/],
  ['<id>', /\d.*\d|^(?=.*\d)(?=.*[a-z]).{8,}$/i],
];

const WORD = /https?:\/\/[^\s<>"]+|[^\s<>()[\]"',;=]+/g;
const STOPS = /[.:!?]+$/;

export function replyTemplate({ code, enhanced, text }: Reply): string {
  const template = text.replace(WORD, kindOf).replace(/\s+/g, ' ').trim();
  return replyText({ code, enhanced, text: template });
}

export function templateHash(template: string): string {
  return hash('sha256', template, 'hex').slice(0, HASH_CHARS);
}

function kindOf(word: string): string {
  const stops = STOPS.exec(word)?.[0] ?? '';
  const bare = word.slice(0, word.length - stops.length);
  if (PROVIDER_CODE.test(bare)) return word;
  const kind = KINDS.find(([, pattern]) => pattern.test(bare));
  return kind ? kind[0] + stops : word;
}
