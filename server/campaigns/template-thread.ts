/**
 * Work on other people's templates, in a thread of its own: whatever a template is, the server goes on serving.
 *
 * Liquid's limits bound what one render does, but compiling MJML or HTML takes as long as it takes, and neither can be
 * interrupted. So a task has a few seconds and some memory; what takes more loses its thread and is refused with a sentence,
 * and the next task gets a new one. Tasks are done one at a time, in the order in which they came; who waits belongs to a
 * Scope. The thread starts with the first task and holds no process open.
 */
import { Worker } from 'node:worker_threads';
import type { Scope } from '../kernel/scope.ts';
import { type ResultOf, refusedTemplate, type TemplateTask } from './template-work.ts';

const TASK_MS_MAX = 5_000;
const HEAP_MB_MAX = 256;

const TOO_MUCH = refusedTemplate(
  'The template takes too long, or too much memory, to be made: make it simpler.',
);

export class TemplateThread {
  readonly #taskMs: number;
  #worker: Worker | undefined;
  /** Resolves when the task before has ended, however it did. */
  #last: Promise<unknown> = Promise.resolve();

  constructor({ taskMs = TASK_MS_MAX }: { taskMs?: number } = {}) {
    this.#taskMs = taskMs;
  }

  /** Rejects with ScopeEnded when the scope ends first, and with what is our own mistake. */
  do<Task extends TemplateTask>(task: Task, scope: Scope): Promise<ResultOf<Task>> {
    const before = this.#last;
    const done = this.#after(before, task, scope);
    this.#last = done.catch(() => {});
    return done;
  }

  stop(): void {
    void this.#worker?.terminate();
    this.#worker = undefined;
  }

  async #after<Task extends TemplateTask>(
    before: Promise<unknown>,
    task: Task,
    scope: Scope,
  ): Promise<ResultOf<Task>> {
    await before;
    scope.throwIfEnded();
    const worker = await this.#thread();
    return new Promise((resolve, reject) => {
      const end = (settle: () => void) => {
        clearTimeout(timer);
        unlisten();
        worker.removeAllListeners();
        settle();
      };
      const cut = (settle: () => void) => {
        this.stop();
        end(settle);
      };
      const timer = setTimeout(() => cut(() => resolve(TOO_MUCH)), this.#taskMs);
      const unlisten = scope.onEnd((reason) => cut(() => reject(reason)));
      worker.once('message', (result: ResultOf<Task>) => end(() => resolve(result)));
      worker.once('error', (error: Error) =>
        cut(() => (isOutOfMemory(error) ? resolve(TOO_MUCH) : reject(error))),
      );
      worker.postMessage(task);
    });
  }

  /** Its modules are loaded: the time that a task has is its own. */
  async #thread(): Promise<Worker> {
    if (this.#worker) return this.#worker;
    const worker = new Worker(new URL('template-thread-main.ts', import.meta.url), {
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB_MAX },
    });
    await new Promise<void>((resolve, reject) => {
      worker.once('online', resolve);
      worker.once('error', reject);
    });
    worker.removeAllListeners();
    worker.unref();
    this.#worker = worker;
    return worker;
  }
}

function isOutOfMemory(error: Error): boolean {
  return 'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY';
}
