/** The people of the demo: the shipped file, or as many as somebody asked for, always the same ones. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';

const SHIPPED = join(import.meta.dirname, '../../examples/contacts.csv');
const SHIPPED_RECORDS = 10_000;

export interface DemoContacts {
  file: string;
  listName: string;
}

export async function demoContacts(recipients: number, folder: string): Promise<DemoContacts> {
  if (recipients === SHIPPED_RECORDS) return { file: SHIPPED, listName: 'Demo' };
  const [header = [], ...records]: string[][] = parse(await readFile(SHIPPED));
  const emailColumn = header.indexOf('email');
  const rows = Array.from({ length: recipients }, (_, index) => {
    const record = records[index % records.length] ?? [];
    const round = Math.floor(index / records.length);
    return record.map((cell, column) =>
      column === emailColumn && round > 0 ? cell.replace('@', `+${round}@`) : cell,
    );
  });
  await mkdir(folder, { recursive: true });
  const file = join(folder, 'contacts.csv');
  await writeFile(file, [header, ...rows].map(toCsv).join(''));
  return { file, listName: `Demo of ${recipients}` };
}

function toCsv(cells: string[]): string {
  return `${cells.map((cell) => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell)).join(',')}\n`;
}
