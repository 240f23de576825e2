/**
 * The table of all filters, and the check of their use.
 *
 * `checkFilter` is called while a template is parsed and holds names and arguments, so a filter never fails at
 * render time. What a filter reads and writes is charged by its caller; a filter charges what it multiplies.
 */
import { formatDate } from './liquid-date.ts';
import type { FilterCall } from './liquid-expression.ts';
import type { Filter, FilterTable } from './liquid-filter-spec.ts';
import { LIST_FILTERS } from './liquid-filters-list.ts';
import { NUMBER_FILTERS } from './liquid-filters-number.ts';
import { TEXT_FILTERS } from './liquid-filters-text.ts';
import { didYouMean } from './liquid-suggest.ts';
import { isNil, isObject, plain, text, type WorkBudget } from './liquid-values.ts';

const FILTERS: FilterTable = {
  ...TEXT_FILTERS,
  ...LIST_FILTERS,
  ...NUMBER_FILTERS,
  date: {
    argsMin: 0,
    argsMax: 2,
    apply: (value, [format, zone], work) => formatDate(value, format, zone, work),
  },
  default: {
    argsMin: 1,
    argsMax: 1,
    apply: (value, [fallback], _work, allowFalse) => orDefault(plain(value), fallback, allowFalse),
  },
  json: { argsMin: 0, argsMax: 0, apply: (value, _args, work) => toJson(value, work) },
  raw: { argsMin: 0, argsMax: 0, apply: (value) => value },
};

/** What is wrong with the use of a filter, and what to do. */
export function checkFilter(call: FilterCall): string | undefined {
  const spec = Object.hasOwn(FILTERS, call.name) ? FILTERS[call.name] : undefined;
  if (!spec) return `the filter "${call.name}" is not known${didYouMean(call.name, Object.keys(FILTERS))}`;
  const { argsMin, argsMax } = spec;
  if (call.args.length < argsMin || call.args.length > argsMax) {
    const wanted = argsMin === argsMax ? `${argsMin}` : `${argsMin} to ${argsMax}`;
    return `the filter "${call.name}" takes ${wanted} argument${wanted === '1' ? '' : 's'}, not ${call.args.length}; write them after ":"`;
  }
  const problem = spec.check?.(call.args);
  return problem && `the filter "${call.name}" ${problem}`;
}

/** The filter of a checked call. */
export function filterNamed(name: string): Filter {
  const spec = FILTERS[name];
  if (!spec) throw new Error(`the parser let the filter ${name} through`);
  return spec.apply;
}

function orDefault(value: unknown, fallback: unknown, allowFalse: boolean): unknown {
  if (typeof value === 'string' || Array.isArray(value)) return value.length > 0 ? value : fallback;
  if (value === false) return allowFalse ? false : fallback;
  return isNil(value) ? fallback : value;
}

function toJson(value: unknown, work: WorkBudget): unknown {
  chargeTree(value, work);
  return JSON.stringify(value);
}

function chargeTree(value: unknown, work: WorkBudget): void {
  work.charge(isObject(value) ? 1 : text(value, work).length);
  for (const [key, item] of isObject(value) ? Object.entries(value) : []) {
    work.charge(key.length);
    chargeTree(item, work);
  }
}
