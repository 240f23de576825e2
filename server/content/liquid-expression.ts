/**
 * Reads what stands inside a hole or a tag: values, conditions and filters.
 *
 * The grammar is a strict part of what liquidjs reads: where liquidjs skips what it does not understand, this
 * refuses. `and` and `or` have the same rank and group from the right, as do comparisons.
 */
import { endOfQuoted, type TemplateSource } from './liquid-lexer.ts';
import { BLANK, EMPTY, NIL } from './liquid-values.ts';

export type Value =
  | { readonly kind: 'literal'; readonly value: unknown }
  | PathValue
  | { readonly kind: 'range'; readonly from: Value; readonly to: Value };

/** `root.key[computed]`. Keys are fixed names and numbers, or values that are read at render time. */
export interface PathValue {
  readonly kind: 'path';
  readonly root: string;
  readonly keys: readonly (string | number | Value)[];
  readonly line: number;
}

export type Operator = '==' | '!=' | '<' | '>' | '<=' | '>=' | 'contains' | 'and' | 'or';

export type Expression =
  | Value
  | {
      readonly kind: 'binary';
      readonly operator: Operator;
      readonly left: Expression;
      readonly right: Expression;
    }
  | { readonly kind: 'not'; readonly operand: Expression };

export interface FilterCall {
  readonly name: string;
  readonly args: readonly Value[];
  /** `allow_false: true` of the filter `default`. */
  readonly allowFalse: boolean;
  readonly at: number;
}

export interface FilteredValue {
  readonly expression: Expression;
  readonly filters: readonly FilterCall[];
}

const OPERATOR = /==|!=|<=|>=|<|>|contains|and|or/y;
const NUMBER = /[+-]?\d+(?:\.\d+)?/y;
const LITERALS = new Map<string, unknown>([
  ['true', true],
  ['false', false],
  ['nil', NIL],
  ['null', NIL],
  ['empty', EMPTY],
  ['blank', BLANK],
]);
const OPERATOR_WORDS = new Set(['and', 'or', 'not', 'contains']);
const ESCAPES = new Map([
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
  ['\\', '\\'],
  ['"', '"'],
  ["'", "'"],
]);
const FORLOOP_KEYS = new Set(['index', 'index0', 'rindex', 'rindex0', 'first', 'last', 'length']);
/** Operators, brackets and ranges in one value: more is a mistake or an attack on the stack. */
const VALUE_PARTS_MAX = 200;

/** Reads the text between `at` and `end` of a template from left to right. */
export class ExpressionReader {
  readonly source: TemplateSource;
  readonly #end: number;
  readonly #inLoop: boolean;
  #at: number;
  #parts = 0;

  constructor(source: TemplateSource, span: { start: number; end: number }, inLoop: boolean) {
    this.source = source;
    this.#at = span.start;
    this.#end = span.end;
    this.#inLoop = inLoop;
  }

  /** A condition or value and its filters, up to the end. */
  filteredValue(): FilteredValue {
    const expression = this.#expression();
    const filters: FilterCall[] = [];
    while (this.skip('|')) filters.push(this.#filter());
    this.expectEnd();
    return { expression, filters };
  }

  value(): Value {
    this.#countPart();
    const at = this.#skipBlanks();
    const char = this.source.text[at];
    if (at >= this.#end) return this.fail('a value is missing; write for example contact.first_name');
    if (char === '"' || char === "'") return this.#string();
    if (char === '(') return this.#range();
    return this.#number() ?? this.#literalOrPath();
  }

  /** A name for a variable of the template itself. */
  newName(): string {
    const at = this.#skipBlanks();
    const name = this.#word();
    if (!isVariableName(name)) {
      this.source.fail(
        at,
        name === ''
          ? 'the name of a variable is missing; write a word such as "total"'
          : `"${name}" cannot be the name of a variable; use letters, digits and "_"`,
      );
    }
    if (name === 'forloop') this.source.fail(at, '"forloop" belongs to loops; choose another name');
    return name;
  }

  /** Takes `text` if it is next. */
  skip(text: string): boolean {
    const at = this.#skipBlanks();
    if (at + text.length > this.#end || !this.source.text.startsWith(text, at)) return false;
    this.#at = at + text.length;
    return true;
  }

  /** Takes the word `name` if it is next. */
  skipWord(name: string): boolean {
    const at = this.#skipBlanks();
    if (this.source.wordAt(at, this.#end) !== name) return false;
    this.#at = at + name.length;
    return true;
  }

  get atEnd(): boolean {
    return this.#skipBlanks() >= this.#end;
  }

  get line(): number {
    return this.source.lineAt(this.#at);
  }

  expectEnd(): void {
    if (!this.atEnd) this.fail(`"${this.#rest()}" is not understood here; remove it or quote it`);
  }

  fail(problem: string): never {
    return this.source.fail(this.#at, problem);
  }

  #expression(): Expression {
    const left = this.#comparison();
    const operator = this.#operator(['and', 'or']);
    return operator ? { kind: 'binary', operator, left, right: this.#expression() } : left;
  }

  #comparison(): Expression {
    this.#countPart();
    if (this.skipWord('not')) return { kind: 'not', operand: this.#comparison() };
    const left = this.value();
    const operator = this.#operator(['==', '!=', '<', '>', '<=', '>=', 'contains']);
    return operator ? { kind: 'binary', operator, left, right: this.#comparisonRest() } : left;
  }

  /** After a comparison operator liquidjs reads no `not`. */
  #comparisonRest(): Expression {
    if (this.source.wordAt(this.#skipBlanks(), this.#end) === 'not') {
      this.fail('"not" cannot follow a comparison; put it before the whole comparison');
    }
    return this.#comparison();
  }

  #operator(allowed: readonly Operator[]): Operator | undefined {
    const at = this.#skipBlanks();
    OPERATOR.lastIndex = at;
    const found = OPERATOR.exec(this.source.text)?.[0];
    const operator = allowed.find((candidate) => candidate === found);
    if (operator === undefined || at + operator.length > this.#end) return undefined;
    if (/\w/.test(operator) && this.source.wordAt(at, this.#end) !== operator) return undefined;
    this.#at = at + operator.length;
    return operator;
  }

  #filter(): FilterCall {
    const at = this.#skipBlanks();
    const name = this.#word();
    if (name === '') this.fail('the name of a filter is missing after "|"; write for example "| upcase"');
    const args: Value[] = [];
    let allowFalse = false;
    if (this.skip(':')) {
      do {
        if (name === 'default' && args.length > 0 && this.skipWord('allow_false')) allowFalse = this.#flag();
        else args.push(this.value());
      } while (this.skip(','));
    }
    return { name, args, allowFalse, at };
  }

  #flag(): boolean {
    if (this.skip(':')) {
      if (this.skipWord('true')) return true;
      if (this.skipWord('false')) return false;
    }
    return this.fail('allow_false is true or false; write "allow_false: true"');
  }

  #string(): Value {
    const start = this.#at;
    const end = endOfQuoted(this.source.text, start);
    if (end > this.#end || end < start + 2 || this.source.text[end - 1] !== this.source.text[start]) {
      this.fail(`a ${this.source.text[start]} is not closed inside this tag; add the second quote`);
    }
    const text = this.source.text.slice(start + 1, end - 1).replace(/\\(.)/gs, (whole, char: string) => {
      return (
        ESCAPES.get(char) ?? this.fail(`"${whole}" is not known in a string; write "\\\\" for a backslash`)
      );
    });
    this.#at = end;
    this.#refuseProperty('a string');
    return { kind: 'literal', value: text };
  }

  #range(): Value {
    this.#at++;
    const from = this.value();
    if (!this.skip('..')) this.fail('parentheses are only for ranges; write for example (1..5)');
    const to = this.value();
    if (!this.skip(')')) this.fail('a range is not closed; write for example (1..5)');
    this.#refuseProperty('a range');
    return { kind: 'range', from, to };
  }

  #number(): Value | undefined {
    NUMBER.lastIndex = this.#at;
    const text = NUMBER.exec(this.source.text)?.[0];
    if (text === undefined) return undefined;
    const end = this.#at + text.length;
    if (this.source.wordAt(end, this.#end) !== '' || end > this.#end) {
      this.fail('a number is followed by letters; put quotes around text');
    }
    this.#at = end;
    if (!this.source.text.startsWith('..', end)) this.#refuseProperty('a number');
    return { kind: 'literal', value: Number(text) };
  }

  #literalOrPath(): Value {
    const line = this.line;
    const root = this.#word();
    if (LITERALS.has(root)) {
      if (!this.source.text.startsWith('..', this.#at)) this.#refuseProperty(`"${root}"`);
      return { kind: 'literal', value: LITERALS.get(root) };
    }
    if (!isVariableName(root)) {
      this.fail(
        `a value is expected before "${root}${this.#rest()}"; write a name such as contact.first_name`,
      );
    }
    const keys: (string | number | Value)[] = [];
    for (let key = this.#key(); key !== undefined; key = this.#key()) keys.push(key);
    if (root === 'forloop' && this.#inLoop) this.#checkForloop(keys);
    return { kind: 'path', root, keys, line };
  }

  #key(): string | number | Value | undefined {
    const { text } = this.source;
    if (this.#at >= this.#end) return undefined;
    if (text[this.#at] === '[') return this.#bracket();
    if (text[this.#at] !== '.' || text[this.#at + 1] === '.') return undefined;
    this.#at++;
    const name = this.#word();
    return name !== ''
      ? name
      : this.fail('a name is missing after "."; write for example contact.first_name');
  }

  #bracket(): string | number | Value {
    this.#at++;
    const value = this.value();
    if (value.kind === 'range') this.fail('a range cannot be an index; use a number or a name in quotes');
    if (!this.skip(']')) this.fail('a "[" is not closed; write for example items[0]');
    if (value.kind !== 'literal') return value;
    return typeof value.value === 'string' || typeof value.value === 'number' ? value.value : value;
  }

  #checkForloop(keys: readonly (string | number | Value)[]): void {
    const [key, ...more] = keys;
    if (typeof key === 'string' && FORLOOP_KEYS.has(key) && more.length === 0) return;
    this.fail(`"forloop" is only read as ${[...FORLOOP_KEYS].map((name) => `forloop.${name}`).join(', ')}`);
  }

  #refuseProperty(what: string): void {
    const next = this.source.text[this.#at];
    if (this.#at < this.#end && (next === '.' || next === '[')) {
      this.fail(`${what} has no properties; assign it to a variable first`);
    }
  }

  #countPart(): void {
    if (++this.#parts > VALUE_PARTS_MAX) this.fail('a value is too complex; split it with "assign"');
  }

  #word(): string {
    const word = this.source.wordAt(this.#at, this.#end);
    this.#at += word.length;
    return word;
  }

  #rest(): string {
    const rest = this.source.text.slice(this.#at, this.#end);
    return rest.length > 30 ? `${rest.slice(0, 30)}…` : rest;
  }

  #skipBlanks(): number {
    this.#at = this.source.skipBlanks(this.#at, this.#end);
    return this.#at;
  }
}

function isVariableName(name: string): boolean {
  return /^[^\d?-]/.test(name) && !LITERALS.has(name) && !OPERATOR_WORDS.has(name);
}
