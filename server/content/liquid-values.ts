/**
 * What values mean in Liquid: truth, equality, order, text, and how a property is read.
 *
 * Values are JSON values, `undefined` for what is missing, and three words of the language that are compared
 * by rules of their own. liquidjs keeps `null` and `undefined` apart in places; so does this. Objects and lists
 * become text here, never through their own `toString`, so no data can throw or run anything.
 */
import { RenderLimit } from './template-error.ts';

/** `nil`, `empty` and `blank` as written in a template. Elsewhere than in a comparison they are `plain`. */
class SpecialWord {
  readonly #plain: null | '';
  readonly #equals: (value: unknown) => boolean;
  constructor(plain: null | '', equals: (value: unknown) => boolean) {
    this.#plain = plain;
    this.#equals = equals;
  }
  get plain(): null | '' {
    return this.#plain;
  }
  equals(value: unknown): boolean {
    return this.#equals(value);
  }
}

export const NIL = new SpecialWord(null, (value) => isNil(plain(value)));
export const EMPTY = new SpecialWord('', isEmpty);
export const BLANK: SpecialWord = new SpecialWord('', (value) => {
  if (value === false || isNil(plain(value))) return true;
  return typeof value === 'string' ? /^\s*$/.test(value) : isEmpty(value);
});

/** The work of one render, so that its time and memory end with a sentence and not with the machine. */
export class WorkBudget {
  #left: number;
  readonly #max: number;
  readonly loopStepsMax: number;
  #loopSteps = 0;

  constructor(workMax: number, loopStepsMax: number) {
    this.#left = workMax;
    this.#max = workMax;
    this.loopStepsMax = loopStepsMax;
  }

  /** `units` are characters read or written, ten for an element of a list. */
  charge(units: number): void {
    this.#left -= units;
    if (!(this.#left >= 0)) {
      throw new RenderLimit(
        `the template does more work than ${this.#max} characters of text allow; use shorter lists and texts`,
      );
    }
  }

  loopStep(): void {
    if (++this.#loopSteps > this.loopStepsMax) this.refuseLoop();
  }

  refuseLoop(): never {
    throw new RenderLimit(
      `the loops of the template run more than ${this.loopStepsMax} times; use a smaller range or a limit`,
    );
  }
}

export function plain(value: unknown): unknown {
  return value instanceof SpecialWord ? value.plain : value;
}

export function isNil(value: unknown): value is null | undefined {
  return value === null || value === undefined;
}

export function isTruthy(value: unknown): boolean {
  const seen = plain(value);
  return seen !== false && !isNil(seen);
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function isEmpty(value: unknown): boolean {
  if (value === EMPTY || value === BLANK) return false;
  const seen = plain(value);
  if (typeof seen === 'string' || Array.isArray(seen)) return seen.length === 0;
  return isObject(seen) && Object.keys(seen).length === 0;
}

/** `==` of Liquid: lists by their elements, other objects by identity. */
export function equals(left: unknown, right: unknown, work: WorkBudget): boolean {
  if (left instanceof SpecialWord) return left.equals(chargeText(right, work));
  if (right instanceof SpecialWord) return right.equals(chargeText(left, work));
  if (!Array.isArray(left)) return left === (typeof left === 'string' ? chargeText(right, work) : right);
  if (!Array.isArray(right) || left.length !== right.length) return false;
  work.charge(left.length);
  return left.every((item, index) => equals(item, right[index], work));
}

function chargeText(value: unknown, work: WorkBudget): unknown {
  if (typeof value === 'string') work.charge(value.length);
  return value;
}

/** Order of two values as JavaScript's `<` sees them; false when a special word takes part. */
export function isLess(left: unknown, right: unknown, work: WorkBudget): boolean {
  return inOrder(left, right, work, (a, b) => a < b);
}

export function isLessOrEqual(left: unknown, right: unknown, work: WorkBudget): boolean {
  return inOrder(left, right, work, (a, b) => a <= b);
}

type Comparable = string | number;

function inOrder(
  left: unknown,
  right: unknown,
  work: WorkBudget,
  test: (a: Comparable, b: Comparable) => boolean,
): boolean {
  if (left instanceof SpecialWord || right instanceof SpecialWord) return false;
  const a = primitive(left, work);
  const b = primitive(right, work);
  if (typeof a !== 'string' || typeof b !== 'string') return test(Number(a), Number(b));
  work.charge(Math.min(a.length, b.length));
  return test(a, b);
}

export function contains(list: unknown, item: unknown, work: WorkBudget): boolean {
  const seen = plain(list);
  if (Array.isArray(seen)) {
    work.charge(seen.length);
    return seen.some((value) => equals(value, item, work));
  }
  if (typeof seen !== 'string') return false;
  work.charge(seen.length);
  return seen.includes(nativeText(plain(item), work));
}

/** The printed form: nothing for nil, lists without separators. */
export function text(value: unknown, work: WorkBudget): string {
  if (typeof value === 'string') return value;
  const seen = plain(value);
  if (isNil(seen)) return '';
  if (!Array.isArray(seen)) return isObject(seen) ? '[object Object]' : String(seen);
  return seen.map((item) => chargedText(text(item, work), work)).join('');
}

/** JavaScript's `String(value)` of JSON values: lists with commas. */
export function nativeText(value: unknown, work: WorkBudget): string {
  if (Array.isArray(value)) return joinNative(value, ',', work);
  return isObject(value) ? '[object Object]' : String(value);
}

/** JavaScript's `list.join(separator)` of JSON values. */
export function joinNative(list: readonly unknown[], separator: string, work: WorkBudget): string {
  return list
    .map((item) => {
      work.charge(separator.length);
      return isNil(item) ? '' : chargedText(nativeText(item, work), work);
    })
    .join(separator);
}

function chargedText(piece: string, work: WorkBudget): string {
  work.charge(piece.length + 1);
  return piece;
}

/** JavaScript's conversion of an operand of `<` or `+value`. */
function primitive(value: unknown, work: WorkBudget): unknown {
  return isObject(value) ? nativeText(value, work) : value;
}

/** JavaScript's `Number(value)` of JSON values; NaN for what is not a number. */
export function nativeNumber(value: unknown, work: WorkBudget): number {
  return Number(primitive(plain(value), work));
}

/** The number that arithmetic filters see: 0 for what is not a number. */
export function toNumber(value: unknown, work: WorkBudget): number {
  return nativeNumber(value, work) || 0;
}

/** The list that list filters see: one element for a single value, none for nil. */
export function toList(value: unknown): readonly unknown[] {
  const seen = plain(value);
  if (isNil(seen)) return [];
  return Array.isArray(seen) ? seen : [seen];
}

/** The list that a loop sees: pairs of an object, one element for a text. */
export function toLoopList(value: unknown): readonly unknown[] {
  const seen = plain(value);
  if (Array.isArray(seen)) return seen;
  if (typeof seen === 'string') return seen === '' ? [] : [seen];
  return isObject(seen) ? Object.entries(seen) : [];
}

/** The numbers of `(from..to)`. */
export function rangeList(from: unknown, to: unknown, work: WorkBudget): number[] {
  const first = nativeNumber(from, work);
  const end = nativeNumber(to, work) + 1;
  if (!(first < end)) return [];
  const countable = Math.max(Math.abs(first), Math.abs(end)) <= Number.MAX_SAFE_INTEGER;
  if (!countable || end - first > work.loopStepsMax) work.refuseLoop();
  work.charge(10 * Math.ceil(end - first));
  const numbers: number[] = [];
  for (let number = first; number < end; number++) numbers.push(number);
  return numbers;
}

/** An own property of any value, or undefined. */
export function ownProperty(value: unknown, key: string | number): unknown {
  if (isObject(value)) return Object.hasOwn(value, key) ? value[key] : undefined;
  if (typeof value !== 'string') return undefined;
  if (key === 'length') return value.length;
  const index = Number(key);
  return String(index) === String(key) ? value[index] : undefined;
}

/** `value.key` of Liquid: own properties, and `size`, `first`, `last` and negative indexes of lists. */
export function readProperty(value: unknown, key: string | number): unknown {
  if (isNil(value)) return value;
  if (value instanceof SpecialWord) return undefined;
  if (typeof key === 'number' && Array.isArray(value))
    return ownProperty(value, key < 0 ? value.length + key : key);
  const own = ownProperty(value, key);
  if (own !== undefined) return own;
  if (key === 'size') return sizeOf(value);
  if (key === 'first' && Array.isArray(value)) return value[0];
  if (key === 'last' && Array.isArray(value)) return value[value.length - 1];
  return undefined;
}

function sizeOf(value: unknown): number | undefined {
  if (typeof value === 'string' || Array.isArray(value)) return value.length;
  return isObject(value) ? Object.keys(value).length : undefined;
}

/** A variable that the template did not set. liquidjs looks a missing one up in its empty globals. */
export function readRoot(data: unknown, name: string): unknown {
  const own = ownProperty(data, name);
  return own === undefined && name === 'size' ? 0 : own;
}
