/** One record of the file, judged: a contact, or the cell at fault and why. */
import { ATTRIBUTE_CHARS_MAX, type AttributeValue, NAME_CHARS_MAX } from './attributes.ts';
import { normaliseEmail } from './email.ts';
import type { Column, Columns } from './import-columns.ts';
import type { CsvRecord } from './import-csv.ts';

export interface ImportedContact {
  kind: 'contact';
  email: string;
  /** Null: the file does not say, so what is known stays. */
  name: string | null;
  attributes: Record<string, AttributeValue>;
}

export interface RejectedRecord {
  kind: 'rejected';
  fault: 'csv' | 'encoding' | 'value';
  column: string;
  value: string;
  reason: string;
}

export function judgeRecord(record: CsvRecord, columns: Columns): ImportedContact | RejectedRecord {
  return faultOfShape(record, columns) ?? faultOfCharacters(record, columns) ?? readContact(record, columns);
}

function reject(
  fault: RejectedRecord['fault'],
  column: string,
  value: string,
  reason: string,
): RejectedRecord {
  return { kind: 'rejected', fault, column, value, reason };
}

function faultOfShape(record: CsvRecord, columns: Columns): RejectedRecord | undefined {
  if (record.fault !== undefined) return reject('csv', '', '', record.fault);
  const cells = record.cells.length;
  const wanted = columns.titles.length;
  if (cells === wanted) return undefined;
  return reject('value', '', '', `the record has ${cells} cells, the first line names ${wanted} columns`);
}

function faultOfCharacters(record: CsvRecord, columns: Columns): RejectedRecord | undefined {
  const index = record.cells.findIndex((cell) => /[\0\ufffd]/.test(cell));
  if (index < 0) return undefined;
  const cell = record.cells[index] ?? '';
  const title = columns.titles[index] ?? '';
  if (cell.includes('\0'))
    return reject('value', title, cell.replaceAll('\0', ''), 'it holds a NUL character');
  return reject('encoding', title, cell, 'it is not UTF-8, or was damaged before: a character is unreadable');
}

function readContact(record: CsvRecord, columns: Columns): ImportedContact | RejectedRecord {
  const cell = (column: Column) => record.cells[column.index]?.trim() ?? '';
  const rejectCell = (column: Column, reason: string) => reject('value', column.title, cell(column), reason);
  const address = normaliseEmail(cell(columns.email));
  if (address.kind === 'invalid') return rejectCell(columns.email, address.reason);
  const attributes: Record<string, AttributeValue> = {};
  for (const column of columns.attributes) {
    const text = cell(column);
    if (text === '') continue;
    const value = readAttribute(text, column.type);
    if (value.kind === 'invalid') return rejectCell(column, value.reason);
    attributes[column.field] = value.value;
  }
  const name = columns.name ? cell(columns.name) : '';
  const nameFault = faultOfName(name);
  if (columns.name && nameFault !== undefined) return rejectCell(columns.name, nameFault);
  return { kind: 'contact', email: address.email, name: name || joinedName(attributes), attributes };
}

function faultOfName(name: string): string | undefined {
  if (name.length > NAME_CHARS_MAX) return `the name is longer than ${NAME_CHARS_MAX} characters`;
  if (/[\r\n]/.test(name)) return 'the name runs over several lines: is a quotation mark missing?';
  return undefined;
}

function joinedName(attributes: Record<string, AttributeValue>): string | null {
  const { first_name: first, last_name: last } = attributes;
  const joined = [first, last].filter((part) => typeof part === 'string').join(' ');
  return joined === '' || faultOfName(joined) !== undefined ? null : joined;
}

type ReadAttribute = { kind: 'value'; value: AttributeValue } | { kind: 'invalid'; reason: string };

function readAttribute(text: string, type: Column['type']): ReadAttribute {
  if (type === 'number') return readNumber(text);
  if (type === 'boolean') return readBoolean(text);
  if (text.length > ATTRIBUTE_CHARS_MAX)
    return { kind: 'invalid', reason: `the cell is longer than ${ATTRIBUTE_CHARS_MAX} characters` };
  return { kind: 'value', value: text };
}

/** Nothing that would come out written differently: no leading zeros, no more digits than a double keeps. */
function readNumber(text: string): ReadAttribute {
  const value = Number(text);
  const isPlain = /^-?(0|[1-9]\d*)(\.\d+)?$/.test(text);
  if (!isPlain || Math.abs(value) > Number.MAX_SAFE_INTEGER)
    return { kind: 'invalid', reason: 'it is not a number' };
  return { kind: 'value', value };
}

function readBoolean(text: string): ReadAttribute {
  const lower = text.toLowerCase();
  if (lower !== 'true' && lower !== 'false')
    return { kind: 'invalid', reason: 'it is neither true nor false' };
  return { kind: 'value', value: lower === 'true' };
}
