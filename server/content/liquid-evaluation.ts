/**
 * Compiles values, conditions and filters of a template to closures over one render.
 *
 * Names are resolved here, once: a loop's variable and `forloop` are slots of the loops around it, a name that
 * the template sets anywhere is a slot that falls back to the data while it is not set, all else is data.
 */
import type {
  Expression,
  FilterCall,
  FilteredValue,
  Operator,
  PathValue,
  Value,
} from './liquid-expression.ts';
import { filterNamed } from './liquid-filters.ts';
import {
  contains,
  equals,
  isLess,
  isLessOrEqual,
  isTruthy,
  nativeText,
  plain,
  rangeList,
  readProperty,
  readRoot,
  type WorkBudget,
} from './liquid-values.ts';

/** The state of one render. */
export interface Run {
  readonly data: Record<string, unknown>;
  readonly work: WorkBudget;
  readonly slots: unknown[];
  out: string;
  /** Set by `continue` and `break`, on the way out of the loop's body. */
  jump: 0 | typeof CONTINUE | typeof BREAK;
}

export const CONTINUE = 1;
export const BREAK = 2;

export type Read = (run: Run) => unknown;

/** What `forloop` reads. */
export interface LoopState {
  index0: number;
  readonly length: number;
}

/** Slot numbers of the names that are visible at one place of the template. */
export interface Names {
  readonly assigned: ReadonlyMap<string, number>;
  /** Outermost first. */
  readonly loops: readonly { readonly variable: string; readonly item: number; readonly state: number }[];
}

/** The value of a slot before the template sets it. */
export const UNSET = Symbol('unset');

export function compileFiltered(value: FilteredValue, names: Names): Read {
  return value.filters.reduce(
    (input, filter) => compileFilter(input, filter, names),
    compileExpression(value.expression, names),
  );
}

export function compileValue(value: Value, names: Names): Read {
  if (value.kind === 'path') return compilePath(value, names);
  if (value.kind === 'literal') {
    const literal = value.value;
    return () => literal;
  }
  const from = compileValue(value.from, names);
  const to = compileValue(value.to, names);
  return (run) => rangeList(from(run), to(run), run.work);
}

function compileFilter(input: Read, filter: FilterCall, names: Names): Read {
  const apply = filterNamed(filter.name);
  const args = filter.args.map((arg) => compileValue(arg, names));
  const { allowFalse } = filter;
  return (run) => {
    const value = input(run);
    run.work.charge(weight(value));
    const result = apply(
      value,
      args.map((arg) => arg(run)),
      run.work,
      allowFalse,
    );
    run.work.charge(weight(result));
    return result;
  };
}

function weight(value: unknown): number {
  if (typeof value === 'string') return value.length;
  return Array.isArray(value) ? 10 * value.length : 1;
}

function compileExpression(expression: Expression, names: Names): Read {
  if (expression.kind === 'binary') {
    return compileOperator(
      expression.operator,
      compileExpression(expression.left, names),
      compileExpression(expression.right, names),
    );
  }
  if (expression.kind !== 'not') return compileValue(expression, names);
  const operand = compileExpression(expression.operand, names);
  return (run) => !isTruthy(operand(run));
}

function compileOperator(operator: Operator, left: Read, right: Read): Read {
  switch (operator) {
    case '==':
      return (run) => equals(left(run), right(run), run.work);
    case '!=':
      return (run) => !equals(left(run), right(run), run.work);
    case '<':
      return (run) => isLess(left(run), right(run), run.work);
    case '>':
      return (run) => isLess(right(run), left(run), run.work);
    case '<=':
      return (run) => isLessOrEqual(left(run), right(run), run.work);
    case '>=':
      return (run) => isLessOrEqual(right(run), left(run), run.work);
    case 'contains':
      return (run) => contains(left(run), right(run), run.work);
    case 'and':
      return (run) => isTruthy(left(run)) && isTruthy(right(run));
    case 'or':
      return (run) => isTruthy(left(run)) || isTruthy(right(run));
  }
}

function compilePath(path: PathValue, names: Names): Read {
  const innermost = names.loops.at(-1);
  if (path.root === 'forloop' && innermost) return compileForloop(innermost.state, path.keys[0]);
  const root = compileRoot(path.root, names);
  const [key, ...more] = path.keys;
  if (key === undefined) return root;
  if (more.length === 0 && typeof key !== 'object') return (run) => readProperty(root(run), key);
  const keys = path.keys.map((each) => (typeof each === 'object' ? compileKey(each, names) : () => each));
  return (run) => keys.reduce((value, read) => readProperty(value, read(run)), root(run));
}

function compileKey(key: Value, names: Names): (run: Run) => string | number {
  const read = compileValue(key, names);
  return (run) => {
    const value = plain(read(run));
    return typeof value === 'number' ? value : nativeText(value, run.work);
  };
}

function compileRoot(name: string, names: Names): Read {
  const loop = names.loops.findLast((each) => each.variable === name);
  if (loop) {
    const { item } = loop;
    return (run) => run.slots[item];
  }
  const slot = names.assigned.get(name);
  if (slot === undefined) return (run) => readRoot(run.data, name);
  return (run) => {
    const value = run.slots[slot];
    return value === UNSET ? readRoot(run.data, name) : value;
  };
}

const FORLOOP: Record<string, (loop: LoopState) => unknown> = {
  index: (loop) => loop.index0 + 1,
  index0: (loop) => loop.index0,
  rindex: (loop) => loop.length - loop.index0,
  rindex0: (loop) => loop.length - loop.index0 - 1,
  first: (loop) => loop.index0 === 0,
  last: (loop) => loop.index0 === loop.length - 1,
  length: (loop) => loop.length,
};

function compileForloop(slot: number, key: unknown): Read {
  const read = FORLOOP[String(key)];
  if (!read) throw new Error(`the parser let forloop.${key} through`);
  return (run) => read(run.slots[slot] as LoopState);
}
