/**
 * A helper of a test in a process of its own: it stands outside whatever the test kills, and ends when the process that
 * started it lets go of it or is gone. One side asks, the other answers; both import this file.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';

export interface Helper<Question, Answer> {
  /** Rejects with what the helper threw, or when it is gone. */
  ask(question: Question): Promise<Answer>;
  stop(): Promise<void>;
}

interface Asked<Question> {
  id: number;
  question: Question;
}

type Told<Answer> = { id: number; answer: Answer } | { id: number; error: string };

export function startHelper<Question, Answer>(
  program: string,
  args: string[] = [],
): Helper<Question, Answer> {
  // JSON knows neither Infinity nor bytes.
  const child = fork(program, args, { execArgv: [], serialization: 'advanced' });
  const ended = once(child, 'exit');
  const waiting = new Map<number, PromiseWithResolvers<Answer>>();
  let asked = 0;
  child.on('message', (told: Told<Answer>) => {
    const promise = waiting.get(told.id);
    waiting.delete(told.id);
    if ('error' in told) promise?.reject(new Error(told.error));
    else promise?.resolve(told.answer);
  });
  child.once('exit', () => {
    for (const promise of waiting.values()) promise.reject(new Error(`${program} ended`));
  });
  return {
    ask(question) {
      asked += 1;
      const promise = Promise.withResolvers<Answer>();
      waiting.set(asked, promise);
      child.send({ id: asked, question } satisfies Asked<Question>);
      return promise.promise;
    },
    async stop() {
      if (child.connected) child.disconnect();
      await ended;
    },
  };
}

/** Answers until the other side lets go; then `close` runs and the process ends. */
export function serveHelper<Question, Answer>(
  answerTo: (question: Question) => Answer | Promise<Answer>,
  close: () => Promise<void> = async () => {},
): void {
  const tell = (told: Told<Answer>) => process.connected && process.send?.(told);
  // Ctrl-C reaches the whole group; the process that started this one says when it is over.
  process.on('SIGINT', () => {});
  process.on('disconnect', () => close().finally(() => process.exit()));
  process.on('message', async ({ id, question }: Asked<Question>) => {
    try {
      tell({ id, answer: await answerTo(question) });
    } catch (error) {
      tell({ id, error: error instanceof Error ? error.message : String(error) });
    }
  });
}
