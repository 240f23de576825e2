/**
 * What each column of the file means, decided once from its header.
 *
 * A column named in the mapping is what the mapping says; the usual names of address and name are known; every other
 * column becomes an attribute under its own name in lower case with underscores. Columns without a name are left out, and
 * so is one whose field the mapping gives to another.
 */
import { type AttributeType, attributeKey } from './attributes.ts';
import type { CsvRecord } from './import-csv.ts';
import { ImportRefused } from './import-refused.ts';

const COLUMNS_MAX = 500;

export interface ColumnOptions {
  /** Field (email, name, or an attribute) → name of the column in the file. */
  mapping: Readonly<Record<string, string>>;
  /** Attribute → what its cells must be; text when not given. */
  types: Readonly<Record<string, AttributeType>>;
}

export interface Column {
  /** `email`, `name`, or the key of an attribute. */
  field: string;
  /** As written in the file. */
  title: string;
  index: number;
  type: AttributeType;
}

export interface Columns {
  titles: string[];
  email: Column;
  name: Column | undefined;
  attributes: Column[];
}

/** Throws ImportRefused when the header does not say, without doubt, which column is what. */
export function readColumns(header: CsvRecord, options: ColumnOptions): Columns {
  const titles = header.cells.map((title) => title.trim());
  refuseDamagedHeader(header, titles);
  const columns = nameColumns(titles, options);
  refuseDuplicates(columns);
  for (const field of Object.keys(options.types))
    if (!columns.some((column) => column.field === field))
      throw new ImportRefused(`A type is given for ${field}, but ${listTitles(titles)}.`);
  const email = columns.find((column) => column.field === 'email');
  if (!email) throw new ImportRefused(noEmailColumn(titles));
  return {
    titles,
    email,
    name: columns.find((column) => column.field === 'name'),
    attributes: columns.filter((column) => column.field !== 'email' && column.field !== 'name'),
  };
}

function refuseDamagedHeader(header: CsvRecord, titles: string[]): void {
  const text = titles.join(',');
  if (text.includes('\0'))
    throw new ImportRefused('The file holds NUL characters in its first line: save it again as CSV (UTF-8).');
  if (text.includes('\ufffd'))
    throw new ImportRefused('The first line of the file is not UTF-8: save it again as CSV (UTF-8).');
  if (header.fault !== undefined)
    throw new ImportRefused(
      `Line ${header.line} must name the columns, but ${header.fault}: repair that line.`,
    );
  if (titles.length > COLUMNS_MAX)
    throw new ImportRefused(
      `The file has ${titles.length} columns, more than ${COLUMNS_MAX}: leave some out.`,
    );
}

function nameColumns(titles: string[], { mapping, types }: ColumnOptions): Column[] {
  const mapped = mappedTitles(titles, mapping);
  const typeOf = new Map(Object.entries(types));
  const columns: Column[] = [];
  titles.forEach((title, index) => {
    const field = mapped.get(title) ?? guessField(title);
    const isTaken = !mapped.has(title) && Object.hasOwn(mapping, field);
    if (field !== '' && !isTaken) columns.push({ field, title, index, type: typeOf.get(field) ?? 'text' });
  });
  return columns;
}

/** Title → field. */
function mappedTitles(titles: string[], mapping: ColumnOptions['mapping']): Map<string, string> {
  const fields = new Map<string, string>();
  for (const [field, column] of Object.entries(mapping)) {
    const title = titles.find((candidate) => attributeKey(candidate) === attributeKey(column));
    if (title === undefined)
      throw new ImportRefused(`There is no column "${column}" for ${field}: ${listTitles(titles)}.`);
    if (fields.has(title))
      throw new ImportRefused(
        `Column "${title}" is given to ${fields.get(title)} and to ${field}: choose one.`,
      );
    fields.set(title, field);
  }
  return fields;
}

const KNOWN_TITLES: Record<string, string[]> = {
  email: ['email', 'e_mail', 'mail', 'email_address', 'e_mail_address', 'mail_address', 'emailaddress'],
  name: ['name', 'full_name', 'fullname', 'display_name'],
  first_name: ['first_name', 'firstname', 'given_name', 'forename'],
  last_name: ['last_name', 'lastname', 'surname', 'family_name'],
};

function guessField(title: string): string {
  const key = attributeKey(title);
  return Object.keys(KNOWN_TITLES).find((field) => KNOWN_TITLES[field]?.includes(key)) ?? key;
}

function refuseDuplicates(columns: Column[]): void {
  for (const column of columns) {
    const first = columns.find((candidate) => candidate.field === column.field);
    if (first !== undefined && first !== column)
      throw new ImportRefused(
        `Columns ${first.index + 1} ("${first.title}") and ${column.index + 1} ("${column.title}") are both ${column.field}: rename one of them, or say which is which with --map ${column.field}=COLUMN.`,
      );
  }
}

function noEmailColumn(titles: string[]): string {
  if (titles.some((title) => title.includes('@')))
    return 'The first line must name the columns, but it holds an address: put a line such as email,name above it.';
  return `No column is called email: ${listTitles(titles)}. Say which one holds the addresses with --map email=COLUMN.`;
}

function listTitles(titles: string[]): string {
  const shown = titles.filter((title) => title !== '').slice(0, 20);
  return `the columns of the file are ${shown.join(', ')}${shown.length < titles.length ? ', …' : ''}`;
}
