/** Filters that calculate. What is not a number counts as 0. */
import type { FilterSpec, FilterTable } from './liquid-filter-spec.ts';
import { toNumber } from './liquid-values.ts';

export const NUMBER_FILTERS: FilterTable = {
  plus: numberFilter(1, (left, right) => left + right),
  minus: numberFilter(1, (left, right) => left - right),
  times: numberFilter(1, (left, right) => left * right),
  divided_by: numberFilter(1, (left, right) => left / right),
  modulo: numberFilter(1, (left, right) => ((left % right) + right) % right),
  at_least: numberFilter(1, (left, right) => Math.max(left, right)),
  at_most: numberFilter(1, (left, right) => Math.min(left, right)),
  abs: numberFilter(0, Math.abs),
  ceil: numberFilter(0, Math.ceil),
  floor: numberFilter(0, Math.floor),
  round: { ...numberFilter(0, round), argsMax: 1 },
};

function numberFilter(argCount: number, calculate: (left: number, right: number) => number): FilterSpec {
  return {
    argsMin: argCount,
    argsMax: argCount,
    apply: (value, args, work) => calculate(toNumber(value, work), toNumber(args[0], work)),
  };
}

/** Half away from zero, in decimal: 1.005 rounds to 1.01. */
function round(value: number, decimals: number): number {
  const scaled = movePoint(Math.abs(value), decimals);
  if (!(scaled <= Number.MAX_SAFE_INTEGER)) return value;
  const rounded = movePoint(Math.round(scaled), -decimals);
  return value < 0 ? -rounded : rounded;
}

function movePoint(value: number, places: number): number {
  const [digits, exponent = '0'] = String(value).split('e');
  return Number(`${digits}e${Number(exponent) + places}`);
}
