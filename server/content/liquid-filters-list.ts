/** Filters that read or make lists. A single value counts as a list of one. */
import type { Value } from './liquid-expression.ts';
import type { FilterTable } from './liquid-filter-spec.ts';
import {
  equals,
  isLess,
  isNil,
  isObject,
  isTruthy,
  joinNative,
  nativeText,
  ownProperty,
  plain,
  readProperty,
  readRoot,
  text,
  toList,
  type WorkBudget,
} from './liquid-values.ts';

export const LIST_FILTERS: FilterTable = {
  first: {
    argsMin: 0,
    argsMax: 0,
    apply: (value) => elementAt(plain(value), () => 0),
  },
  last: { argsMin: 0, argsMax: 0, apply: (value) => elementAt(plain(value), (length) => length - 1) },
  size: { argsMin: 0, argsMax: 0, apply: (value) => lengthOf(value) || 0 },
  join: { argsMin: 0, argsMax: 1, apply: join },
  reverse: { argsMin: 0, argsMax: 0, apply: (value) => toList(value).toReversed() },
  compact: { argsMin: 0, argsMax: 0, apply: (value) => toList(value).filter((item) => !isNil(item)) },
  uniq: { argsMin: 0, argsMax: 0, apply: uniq },
  concat: { argsMin: 1, argsMax: 1, apply: (value, [more]) => [...toList(value), ...toList(more)] },
  sort: { argsMin: 0, argsMax: 1, apply: (value, [key], work) => sortBy(value, key, work, (item) => item) },
  sort_natural: {
    argsMin: 0,
    argsMax: 1,
    apply: (value, [key], work) => {
      return sortBy(value, key, work, (item) => (isNil(item) ? item : nativeText(item, work).toLowerCase()));
    },
  },
  map: {
    argsMin: 1,
    argsMax: 1,
    apply: (value, [key], work) => {
      const path = text(key, work).split('.');
      return toList(value).map((item) => readPath(item, path));
    },
  },
  where: { argsMin: 1, argsMax: 2, check: firstIsPath, apply: where },
};

function lengthOf(value: unknown): unknown {
  return typeof value === 'string' || isObject(value) ? ownProperty(value, 'length') : undefined;
}

/** An element of a list, a character of a text, or nothing. */
function elementAt(value: unknown, indexFor: (length: number) => number): unknown {
  const length = lengthOf(value);
  if (typeof length !== 'number' || value === '') return '';
  return ownProperty(value, indexFor(length));
}

function join(value: unknown, [separator]: readonly unknown[], work: WorkBudget): string {
  const between = plain(separator);
  return joinNative(toList(value), isNil(between) ? ' ' : text(between, work), work);
}

function uniq(value: unknown, _args: readonly unknown[], work: WorkBudget): unknown[] {
  const list = toList(value);
  for (const item of list) if (typeof item === 'string') work.charge(item.length);
  return [...new Set(list)];
}

/** Sorts by a property, or by the elements; what has no key comes last. */
function sortBy(value: unknown, key: unknown, work: WorkBudget, rank: (item: unknown) => unknown): unknown[] {
  const path = key ? text(key, work).split('.') : undefined;
  return toList(value)
    .map((item) => ({ item, rank: rank(path ? readPath(item, path) : item) }))
    .sort((a, b) => compare(a.rank, b.rank, work))
    .map((entry) => entry.item);
}

function compare(left: unknown, right: unknown, work: WorkBudget): number {
  if (isNil(left) || isNil(right)) return Number(isNil(left)) - Number(isNil(right));
  work.charge(1);
  if (isLess(left, right, work)) return -1;
  return isLess(right, left, work) ? 1 : 0;
}

function readPath(item: unknown, path: readonly string[]): unknown {
  return path.reduce(readProperty, item);
}

function where(value: unknown, [key, wanted]: readonly unknown[], work: WorkBudget): unknown[] {
  const [root = '', ...path] = text(key, work).split('.');
  return toList(value).filter((item) => {
    const found = readPath(readRoot(item, root), path);
    return wanted === undefined ? isTruthy(found) : equals(found, wanted, work);
  });
}

function firstIsPath([key]: readonly Value[]): string | undefined {
  const fine =
    key?.kind === 'literal' && typeof key.value === 'string' && /^[\w?-]+(?:\.[\w?-]+)*$/.test(key.value);
  return fine ? undefined : 'takes the name of a property in quotes; write for example: "status"';
}
