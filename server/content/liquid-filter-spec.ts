/** The shape of a filter, shared by the tables of filters. */
import type { Value } from './liquid-expression.ts';
import { text, type WorkBudget } from './liquid-values.ts';

/** `allowFalse` is an argument of `default` alone. */
export type Filter = (
  value: unknown,
  args: readonly unknown[],
  work: WorkBudget,
  allowFalse: boolean,
) => unknown;

export interface FilterSpec {
  readonly apply: Filter;
  readonly argsMin: number;
  readonly argsMax: number;
  /** Says what is wrong with the arguments beyond their number, and what to write. */
  readonly check?: (args: readonly Value[]) => string | undefined;
}

export type FilterTable = Record<string, FilterSpec>;

/** A filter that sees its value and its arguments as text; an argument that is absent is the empty text. */
export function textFilter(
  argCount: number,
  apply: (value: string, first: string, second: string, work: WorkBudget) => unknown,
): FilterSpec {
  return {
    argsMin: argCount,
    argsMax: argCount,
    apply: (value, args, work) => apply(text(value, work), text(args[0], work), text(args[1], work), work),
  };
}
