/** What somebody else's program reads in a PDF: pdftotext and pdfinfo of Debian's poppler-utils. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { installPackage } from './apt.ts';

const FOLDERS = (process.env.PATH ?? '').split(':');

/** False: the test was skipped, because poppler-utils is not there and cannot be installed. Where nobody looks, it fails. */
export function hasPoppler(t: TestContext): boolean {
  const isThere = () => FOLDERS.some((folder) => existsSync(join(folder, 'pdftotext')));
  if (isThere() || (installPackage('poppler-utils') && isThere())) return true;
  const lack = 'pdftotext is not installed: no PDF was read. Run `apt-get install poppler-utils`.';
  if (process.env.CI) throw new Error(lack);
  t.skip(lack);
  return false;
}

/** The text of all pages, each ended by a form feed; columns stand as they do on the page. */
export function textOfPdf(pdf: Buffer): string {
  return execFileSync('pdftotext', ['-layout', '-', '-'], { input: pdf, encoding: 'utf8' });
}

/** The names of the fonts that are not inside of the file. */
export function missingFontsOf(pdf: Buffer): string[] {
  const output = execFileSync('pdffonts', ['-'], { input: pdf, encoding: 'utf8' });
  const [, , ...rows] = output.trimEnd().split('\n');
  return rows.filter((row) => !/ yes yes yes /.test(row));
}
