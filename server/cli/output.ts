/**
 * Where words go. For people: standard output. With --json the last line of standard output is one JSON object, and
 * all that is for people goes to standard error.
 */
import { styleText } from 'node:util';

export interface Output {
  readonly json: boolean;
  /** The stream that people read. */
  readonly stream: NodeJS.WriteStream;
  say(text?: string): void;
  /** The command's result for a script: printed with --json only, once, at the end. */
  result(value: Record<string, unknown>): void;
}

export function createOutput(json: boolean): Output {
  const stream = json ? process.stderr : process.stdout;
  return {
    json,
    stream,
    say: (text = '') => void stream.write(`${text}\n`),
    result: (value) => json && void process.stdout.write(`${JSON.stringify(value)}\n`),
  };
}

type Style = Parameters<typeof styleText>[0];

/** Coloured on a terminal that wants it (NO_COLOR), plain elsewhere. */
export function styled(out: Output, style: Style, text: string): string {
  return styleText(style, text, { stream: out.stream });
}

/** Columns as wide as their widest cell; numbers are right-aligned. */
export function table(rows: readonly (readonly (string | number)[])[], indent = '  '): string {
  const widths: number[] = [];
  for (const row of rows)
    row.forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, text(cell).length);
    });
  const align = (cell: string | number, column: number) =>
    typeof cell === 'number' ? text(cell).padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0);
  return rows.map((row) => (indent + row.map(align).join('  ')).trimEnd()).join('\n');
}

function text(cell: string | number): string {
  return typeof cell === 'number' ? cell.toLocaleString('en') : cell;
}

export function count(n: number): string {
  return Math.round(n).toLocaleString('en');
}

/** `3 rows`, `1 row`. */
export function plural(n: number, noun: string): string {
  return `${count(n)} ${noun}${n === 1 ? '' : 's'}`;
}

export function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
