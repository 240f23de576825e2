/**
 * Work on other people's templates, in a thread of its own: whatever a template is, the server goes on serving.
 *
 * Liquid's limits bound what one render does, but compiling MJML or HTML takes as long as it takes, and neither can be
 * interrupted. So a task has a few seconds and some memory; what takes more loses its thread and is refused with a sentence,
 * and the next task gets a new one. Tasks are done one at a time, and every workspace in turn: somebody's many slow templates
 * cost each of the others the time of one. Who waits belongs to a Scope. The thread starts with the first task and holds no
 * process open. It may die at any time, also after it was cut off or while it has nothing to do; only its own task knows.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { Scope } from '../kernel/scope.ts';
import { type ResultOf, refusedTemplate, type TemplateTask } from './template-work.ts';
import { Turns } from './turns.ts';

const TASK_MS_MAX = 5_000;
const HEAP_MB_MAX = 256;

const TOO_MUCH = refusedTemplate(
  'The template takes too long, or too much memory, to be made: make it simpler.',
);

export class TemplateThread {
  readonly #taskMs: number;
  readonly #turns = new Turns();
  #worker: Worker | undefined;

  constructor({ taskMs = TASK_MS_MAX }: { taskMs?: number } = {}) {
    this.#taskMs = taskMs;
  }

  /** Rejects with ScopeEnded when the scope ends first, and with what is our own mistake. */
  do<Task extends TemplateTask>(
    task: Task,
    { workspaceId, scope }: { workspaceId: string; scope: Scope },
  ): Promise<ResultOf<Task>> {
    return this.#turns.take(workspaceId, () => this.#perform(task, scope));
  }

  stop(): void {
    void this.#worker?.terminate();
    this.#worker = undefined;
  }

  async #perform<Task extends TemplateTask>(task: Task, scope: Scope): Promise<ResultOf<Task>> {
    scope.throwIfEnded();
    const worker = await this.#thread();
    scope.throwIfEnded();
    return new Promise((resolve, reject) => {
      const end = (settle: () => void) => {
        clearTimeout(timer);
        unlisten();
        worker.off('message', give).off('error', fail);
        settle();
      };
      const cut = (settle: () => void) => {
        this.stop();
        end(settle);
      };
      const give = (result: ResultOf<Task>) => end(() => resolve(result));
      const fail = (error: Error) => cut(() => (isOutOfMemory(error) ? resolve(TOO_MUCH) : reject(error)));
      const timer = setTimeout(() => cut(() => resolve(TOO_MUCH)), this.#taskMs);
      const unlisten = scope.onEnd((reason) => cut(() => reject(reason)));
      worker.once('message', give).once('error', fail);
      worker.postMessage(task);
    });
  }

  /** Its modules are loaded: the time that a task has is its own. */
  async #thread(): Promise<Worker> {
    if (this.#worker) return this.#worker;
    const worker = new Worker(new URL('template-thread-main.ts', import.meta.url), {
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB_MAX },
    });
    // For as long as it lives: an error that nobody listens to would end the process.
    worker.on('error', () => {
      if (this.#worker === worker) this.#worker = undefined;
    });
    // Its first message says that it is ready.
    await once(worker, 'message');
    worker.unref();
    this.#worker = worker;
    return worker;
  }
}

function isOutOfMemory(error: Error): boolean {
  return 'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY';
}
