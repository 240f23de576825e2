/** What of a view is new: the fields that changed, nested as they are there; null: it is null now, or gone. */
import { isDeepStrictEqual } from 'node:util';
import type { View } from './live-topics.ts';

/** Undefined: nothing. */
export function changesOf(before: View, after: View): View | undefined {
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  const changes: Record<string, unknown> = {};
  for (const name of names) {
    const [was = null, is = null] = [before[name], after[name]];
    const change =
      isView(was) && isView(is) ? changesOf(was, is) : isDeepStrictEqual(was, is) ? undefined : is;
    if (change !== undefined) changes[name] = change;
  }
  return Object.keys(changes).length > 0 ? changes : undefined;
}

function isView(value: unknown): value is View {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
