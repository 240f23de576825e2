/**
 * The recording sink: an SMTP server in a process of its own that writes down every message that it accepted before
 * it says so. Its log is what really happened; everything that Camp says is checked against it. It stands outside
 * whatever a crash test kills, and can be told to misbehave.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startHelper } from './helper-process.ts';
import { parseJsonLines } from './json-lines.ts';
import type { SinkBehaviour, SinkQuestion, SinkRecord, SinkReport } from './sink-protocol.ts';

export { type SinkBehaviour, type SinkRecord, type SinkReport, WELL } from './sink-protocol.ts';

export interface Sink {
  smtpUrl: string;
  /** Changes what is named and keeps the rest; done when it holds. */
  behave(behaviour: Partial<SinkBehaviour>): Promise<SinkReport>;
  report(): Promise<SinkReport>;
  /** Waits until so many messages were accepted since the start. */
  accepted(count: number): Promise<SinkReport>;
  /** Everything that it accepted, in order. */
  records(): Promise<SinkRecord[]>;
  stop(): Promise<void>;
}

export async function startSink(folder: string, seed = 1): Promise<Sink> {
  const logFile = join(folder, 'sink.log');
  const program = join(import.meta.dirname, 'sink-main.ts');
  const helper = startHelper<SinkQuestion, SinkReport>(program, [logFile, String(seed)]);
  const { port } = await helper.ask({ kind: 'report' });
  return {
    smtpUrl: `smtp://127.0.0.1:${port}`,
    behave: (behaviour) => helper.ask({ kind: 'behave', behaviour }),
    report: () => helper.ask({ kind: 'report' }),
    accepted: (accepted) => helper.ask({ kind: 'await', accepted }),
    records: async () => parseJsonLines(await readFile(logFile, 'utf8')),
    stop: () => helper.stop(),
  };
}
