/**
 * Scope: who owns a piece of work, and until when.
 *
 * A deadline without a cancellation leaks work after its caller left; a cancellation without a deadline leaks
 * work that never ends. A scope has both and they belong together: it ends when its parent ends, when its
 * deadline passes, or when it is cancelled, whichever is first, and it counts the work that runs inside it.
 *
 * The signal is linked by one listener that is removed again, never by `AbortSignal.any` (it kept every
 * dependant of a long-lived parent alive, and lost deadlines on older Nodes), and the timer is our own, so
 * that a leak shows in `process.getActiveResourcesInfo()`.
 */

/** Thrown by work that its scope ended. `kind` tells a deadline from a cancellation. */
export class ScopeEnded extends Error {
  override readonly name = 'ScopeEnded';
  readonly kind: 'deadline' | 'cancelled';
  constructor(kind: 'deadline' | 'cancelled', message: string) {
    super(message);
    this.kind = kind;
  }
}

/** Thrown when a scope is closed while work that it owns still runs: a bug of ours. */
export class LeakedWork extends Error {
  override readonly name = 'LeakedWork';
}

export interface ScopeOptions {
  /** Time from now until the scope ends by itself. A parent that ends earlier wins. */
  deadlineMs?: number;
}

const openScopes = new Set<Scope>();

export class Scope implements AsyncDisposable {
  readonly name: string;
  /** Monotonic milliseconds (`performance.now()`); Infinity when only a cancellation ends it. */
  readonly deadline: number;
  readonly #controller = new AbortController();
  readonly #owned = new Map<Promise<unknown>, string>();
  #timer: NodeJS.Timeout | undefined;
  #unlink: (() => void) | undefined;

  private constructor(name: string, parent: Scope | undefined, deadlineMs: number) {
    this.name = name;
    const own = performance.now() + deadlineMs;
    this.deadline = Math.min(own, parent?.deadline ?? Number.POSITIVE_INFINITY);
    openScopes.add(this);
    if (parent) this.#link(parent);
    const ownIsFirst = own <= this.deadline && own !== Number.POSITIVE_INFINITY;
    if (ownIsFirst && !this.ended) this.#startTimer(deadlineMs);
  }

  /** A scope without a parent: a process, a test. */
  static root(name: string, options: ScopeOptions = {}): Scope {
    return new Scope(name, undefined, options.deadlineMs ?? Number.POSITIVE_INFINITY);
  }

  /** A scope that ends with this one at the latest. */
  child(name: string, options: ScopeOptions = {}): Scope {
    return new Scope(`${this.name}/${name}`, this, options.deadlineMs ?? Number.POSITIVE_INFINITY);
  }

  /** For work past its point of no return: it keeps a deadline but no longer follows its caller. */
  detached(name: string, options: Required<ScopeOptions>): Scope {
    return new Scope(`${this.name}!${name}`, undefined, options.deadlineMs);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get ended(): boolean {
    return this.#controller.signal.aborted;
  }

  /** Milliseconds until the deadline, never negative; Infinity without one. */
  remainingMs(): number {
    return Math.max(0, this.deadline - performance.now());
  }

  cancel(reason = 'cancelled'): void {
    this.#end(new ScopeEnded('cancelled', `${this.name}: ${reason}`));
  }

  throwIfEnded(): void {
    if (this.ended) throw this.#controller.signal.reason;
  }

  /** Calls back once when the scope ends (at once if it has); returns a function that takes the call back. */
  onEnd(listener: (reason: ScopeEnded) => void): () => void {
    const { signal } = this.#controller;
    if (signal.aborted) {
      listener(signal.reason);
      return () => {};
    }
    const call = () => listener(signal.reason);
    signal.addEventListener('abort', call, { once: true });
    return () => signal.removeEventListener('abort', call);
  }

  /** Runs work that this scope owns: closing the scope waits for nothing and forgives nothing. */
  run<T>(name: string, work: (scope: Scope) => Promise<T>): Promise<T> {
    if (this.ended) return Promise.reject(this.#controller.signal.reason);
    const promise = work(this);
    this.#owned.set(promise, name);
    const forget = () => this.#owned.delete(promise);
    promise.then(forget, forget);
    return promise;
  }

  /** Waits; rejects with ScopeEnded as soon as the scope ends. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        unlisten();
        resolve();
      }, ms);
      const unlisten = this.onEnd((reason) => {
        clearTimeout(timer);
        reject(reason);
      });
    });
  }

  /** Ends the scope and what hangs on it. Work that still runs is named and is an error. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.cancel('closed');
    await Promise.resolve();
    await new Promise((resolve) => setImmediate(resolve));
    if (this.#owned.size > 0)
      throw new LeakedWork(`${this.name} was closed while running: ${[...this.#owned.values()].join(', ')}`);
  }

  #link(parent: Scope): void {
    this.#unlink = parent.onEnd((reason) => this.#end(reason));
  }

  #startTimer(deadlineMs: number): void {
    this.#timer = setTimeout(
      () => this.#end(new ScopeEnded('deadline', `${this.name}: out of time after ${deadlineMs} ms`)),
      deadlineMs,
    );
  }

  #end(reason: ScopeEnded): void {
    if (this.ended) return;
    clearTimeout(this.#timer);
    this.#unlink?.();
    openScopes.delete(this);
    this.#controller.abort(reason);
  }
}

/** Names of the scopes that nobody closed: empty at the end of every test file. */
export function openScopeNames(): string[] {
  return [...openScopes].map((scope) => scope.name);
}
