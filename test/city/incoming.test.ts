import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Incoming } from './incoming.ts';

const ANY = 'Subject: x\r\n\r\n..dot\r\nnot\n.\nan\r\r.\r end\r\n';

test('a message ends at CRLF.CRLF and nowhere else, in however many pieces it arrives', () => {
  const wire = `${ANY}.\r\nMAIL`;
  for (let cut = 0; cut <= wire.length; cut += 1)
    for (let again = cut; again <= wire.length; again += 1) {
      const input = new Incoming();
      const found: string[] = [];
      for (const piece of [wire.slice(0, cut), wire.slice(cut, again), wire.slice(again)]) {
        input.add(piece);
        const message = found.length === 0 ? input.takeMessage() : null;
        if (message !== null) found.push(message);
      }
      assert.deepEqual(found, [ANY], `${cut} ${again}`);
      assert.equal(input.takeBytes(4), 'MAIL');
      assert.ok(input.empty);
    }
});

test('an empty message is a dot alone', () => {
  const input = new Incoming();
  input.add('.\r\nQUIT\r\n');
  assert.deepEqual([input.takeMessage(), input.takeLine(), input.takeLine()], ['', 'QUIT', null]);
});

test('a command ends at CRLF and nowhere else', () => {
  const input = new Incoming();
  input.add('NOOP\nRSET\rX\r');
  assert.equal(input.takeLine(), null);
  input.add('\n');
  assert.equal(input.takeLine(), 'NOOP\nRSET\rX');
});
