/**
 * Pages of a list by keyset: a page begins behind the last row of the one before, so it costs the same however far in, and
 * rows that come or go meanwhile shift nothing. The cursor is opaque to clients: the key of that row, in base64url.
 */
import Type, { type Static, type TProperties, type TSchema } from 'typebox';
import { Check } from 'typebox/value';
import { parseJson } from './json.ts';
import { invalid } from './problem.ts';
import { nullable, strict } from './schemas.ts';

const LIMIT_MAX = 200;
const LIMIT = 50;

/** Of the query of an endpoint that gives pages. */
export const PAGE_QUERY = {
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: LIMIT_MAX, default: LIMIT })),
  cursor: Type.Optional(
    Type.String({
      maxLength: 500,
      description: '`next_cursor` of the page before; the first page without it.',
    }),
  ),
} satisfies TProperties;

export function pageSchema<const T extends TSchema>(item: T) {
  return strict({
    data: Type.Array(item),
    next_cursor: nullable(Type.String({ description: 'Null: this was the last page.' })),
  });
}

interface PageQuery {
  limit?: number;
  cursor?: string;
}

/** `after`: the key of the last row of the page before, as `key` describes it; null for the first. Throws a Problem. */
export function readPage<const K extends TSchema>(
  { limit = LIMIT, cursor }: PageQuery,
  key: K,
): { limit: number; after: Static<K> | null } {
  if (cursor === undefined) return { limit, after: null };
  const after = decode(cursor);
  if (!Check(key, after)) throw invalid('/query/cursor', 'is none that this list gave');
  return { limit, after };
}

function decode(cursor: string): unknown {
  try {
    return parseJson(Buffer.from(cursor, 'base64url'));
  } catch {
    return undefined;
  }
}

/** `rows`: one more than the page has, when there are more. */
export function pageOf<Row, Item>(
  rows: readonly Row[],
  limit: number,
  { item, key }: { item: (row: Row) => Item; key: (row: Row) => unknown },
): { data: Item[]; next_cursor: string | null } {
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  const hasMore = rows.length > limit && last !== undefined;
  return {
    data: page.map(item),
    next_cursor: hasMore ? Buffer.from(JSON.stringify(key(last))).toString('base64url') : null,
  };
}
