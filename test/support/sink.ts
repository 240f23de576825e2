/**
 * The recording sink: an SMTP server in a process of its own that writes down every message that it accepted before
 * it says so. Its log is what really happened; everything that Camp says is checked against it. It stands outside
 * whatever a crash test kills, and can be told to misbehave.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { FromSink, SinkBehaviour, SinkRecord, SinkReport, ToSink } from './sink-protocol.ts';

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
  const child = fork(join(import.meta.dirname, 'sink-main.ts'), [logFile, String(seed)], {
    execArgv: [],
    // Infinity is no JSON.
    serialization: 'advanced',
  });
  const ended = once(child, 'exit');
  const answers = new Map<number, (report: SinkReport) => void>();
  const [ready]: [FromSink] = (await once(child, 'message')) as [FromSink];
  if (ready.kind !== 'ready') throw new Error('the sink answered before it was asked');
  child.on('message', (message: FromSink) => {
    if (message.kind !== 'answer') return;
    answers.get(message.id)?.(message.report);
    answers.delete(message.id);
  });
  let asked = 0;
  const ask = (question: DistributiveOmit<ToSink, 'id'>) =>
    new Promise<SinkReport>((resolve) => {
      asked += 1;
      answers.set(asked, resolve);
      child.send({ ...question, id: asked });
    });
  return {
    smtpUrl: `smtp://127.0.0.1:${ready.port}`,
    behave: (behaviour) => ask({ kind: 'behave', behaviour }),
    report: () => ask({ kind: 'report' }),
    accepted: (accepted) => ask({ kind: 'await', accepted }),
    records: async () => parseLog(await readFile(logFile, 'utf8')),
    async stop() {
      child.disconnect();
      await ended;
    },
  };
}

type DistributiveOmit<Union, Key extends PropertyKey> = Union extends unknown ? Omit<Union, Key> : never;

function parseLog(text: string): SinkRecord[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line): SinkRecord => JSON.parse(line));
}
