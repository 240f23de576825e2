import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readSources, type Source } from './sources.ts';

/** Files beside the `queries.ts` (and `queries-NAME.ts`) that may hold SQL, and why. */
const EXCEPTIONS: Record<string, string> = {
  'server/kernel/database.ts': 'begins and ends the transactions in which all other statements run',
  'server/kernel/sql.ts': 'is the tag itself',
  'server/kernel/embedded-postgres-cluster.ts':
    'makes the role and the database before there is anything to connect to',
};

/** A string or a template that begins like a statement. */
const STATEMENT = new RegExp(
  [
    /['"]select\s[^\n]*\sfrom\s|`\s*select\s[^`]*\sfrom\s|['"`]\s*select\s+(?:\d|pg_|set_config)/,
    /['"`]\s*(?:insert\s+into|update\s+\w+\s+set|delete\s+from|truncate)\s|['"`]\s*copy\s+\w+\s*(?:\(|from\s|to\s)/,
    /['"`]\s*(?:create|alter|drop)\s+(?:table|index|role|database|function|schema|temp)\s/,
    /`\s*with\s+\w+[^`]*?\sas\s|['"`]\s*(?:begin|commit|rollback|set\s+local|explain|vacuum|analyze)\b[^a-z']/,
    /['"](?:begin|commit|rollback)['"]/,
  ]
    .map(({ source }) => source)
    .join('|'),
  'i',
);

test('SQL stands in queries.ts and nowhere else', () => {
  assert.deepEqual(sqlOutsideQueries(readSources('server/**/*.ts')), []);
});

test('every exception still exists and still needs to be one', () => {
  const paths = readSources(...Object.keys(EXCEPTIONS)).map(({ path }) => path);
  assert.deepEqual(paths.sort(), Object.keys(EXCEPTIONS).sort());
});

test('SQL in another file is found, however it is written', () => {
  const plant = (text: string) => sqlOutsideQueries([{ path: 'server/queue/claim.ts', text }]).length;
  assert.equal(plant('await tx.query(sql`SELECT id FROM message`);'), 1);
  assert.equal(plant("await tx.client.query('select id from message');"), 1);
  assert.equal(plant('const text = `\n  WITH due AS (SELECT 1)\n  UPDATE message SET state = 1`;'), 1);
  assert.equal(plant("client.query('BEGIN')"), 1);
  assert.equal(plant('copyFrom(`COPY staging (email) FROM STDIN`)'), 1);
  assert.equal(plant('const statement = sql.join(parts)'), 1);
  assert.equal(plant('// reads `select id from message`, see queries.ts'), 0);
  assert.equal(plant("throw new Error('Select a list, or update the segment.')"), 0);
  assert.equal(plant("import type { Sql } from '../kernel/sql.ts';"), 0);
});

function sqlOutsideQueries(sources: Source[]): string[] {
  return sources
    .filter(({ path }) => !/(\/queries(-[a-z]+)?|\.test)\.ts$/.test(path) && !(path in EXCEPTIONS))
    .flatMap(({ path, text }) => {
      const code = text.replaceAll(/^\s*(?:\/?\*|\/\/).*$/gm, '');
      const found = /\bsql(?:`|\.\w+\()/.exec(code) ?? STATEMENT.exec(code);
      return found ? [`${path}: ${found[0].trim().slice(0, 60)}`] : [];
    });
}
