import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Sql, sql } from './sql.ts';

test('a value stands beside the statement, never in it', () => {
  const name = `Robert'); DROP TABLE contact; --`;
  const statement = sql`SELECT id FROM contact WHERE name = ${name} AND id = ${7}`;
  assert.equal(statement.text, 'SELECT id FROM contact WHERE name = $1 AND id = $2');
  assert.deepEqual(statement.values, [name, 7]);
});

test('a statement inside a statement keeps its own values', () => {
  const mine = sql`workspace_id = ${'w'} AND list_id = ${'l'}`;
  const young = sql`created_at > ${'2026-01-01'}`;
  const statement = sql`SELECT ${'x'} FROM contact WHERE ${sql`(${mine} OR ${young})`} LIMIT ${10}`;
  assert.equal(
    statement.text,
    'SELECT $1 FROM contact WHERE (workspace_id = $2 AND list_id = $3 OR created_at > $4) LIMIT $5',
  );
  assert.deepEqual(statement.values, ['x', 'w', 'l', '2026-01-01', 10]);
});

test('a statement with more than nine values is numbered as Postgres counts', () => {
  const inner = sql`${1}, ${2}, ${3}, ${4}, ${5}, ${6}, ${7}, ${8}, ${9}, ${10}, ${11}`;
  assert.equal(sql`SELECT ${0}, ${inner}`.text, 'SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12');
});

test('a part that is used twice brings its values twice', () => {
  const part = sql`email = ${'a@b.example'}`;
  const statement = sql`${part} OR ${part}`;
  assert.deepEqual([statement.text, statement.values.length], ['email = $1 OR email = $2', 2]);
});

test('whatever a value is, the text is the same and the values come out as they went in', () => {
  const nested = fc.letrec<{ part: unknown[] }>((tie) => ({
    part: fc.array(fc.oneof({ depthSize: 'small' }, fc.anything(), fc.string(), tie('part')), {
      maxLength: 4,
    }),
  })).part;
  fc.assert(
    fc.property(nested, (parts) => {
      const expected: unknown[] = [];
      const build = (items: unknown[]): Sql =>
        items.reduce<Sql>((before, item) => {
          if (Array.isArray(item)) return sql`${before} (${build(item)})`;
          expected.push(item);
          return sql`${before} ${item}`;
        }, sql``);
      const { text, values } = build(parts);
      assert.match(text, /^[ ()$\d]*$/);
      assert.deepEqual(values, expected);
      const numbers = [...text.matchAll(/\$(\d+)/g)].map(([, number]) => Number(number));
      assert.deepEqual(
        numbers,
        expected.map((_, index) => index + 1),
      );
    }),
  );
});

test('a text that only looks like a statement is a value', () => {
  const fake = { text: 'DROP TABLE contact', values: [] };
  assert.equal(sql`SELECT ${fake}`.text, 'SELECT $1');
  assert.ok(sql`` instanceof Sql);
});
