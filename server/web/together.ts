/**
 * Requests that come at the same time, answered in one transaction: a commit costs a disk's time, and many can share it.
 *
 * While a transaction of a workspace is under way, its further requests wait for the next one; at rest a request waits for
 * nobody. In the transaction each has its effect, and its answer under its key (kernel/idempotency.ts, keepAnswers): all of
 * it commits, or none of it.
 *
 * This is only the short way. A key that somebody has or had, the same key twice, a large body, who has hardly any time
 * left, and all requests of a transaction that failed go alone, the way of all others (serve.ts): so one request's mistake
 * costs its neighbours a little time, and what a lost COMMIT has done is found under its key.
 */
import type { Tx } from '../kernel/database.ts';
import { type Answered, keepAnswers, takenKeys } from '../kernel/idempotency.ts';
import type { Scope } from '../kernel/scope.ts';
import { answerOf, type Rendered } from './answer.ts';
import type { Answer, ApiRequest, TogetherHandler } from './endpoint.ts';
import { isDefinitive, kept } from './idempotent.ts';
import { Problem } from './problem.ts';

const REQUESTS_MAX = 64;
/** A larger body goes alone: others should not wait for it. */
const BODY_BYTES_MAX = 65_536;
/** Who has less left, or nothing, goes alone: the transaction has the least time that one of its requests has. */
const LEFT_MS_MIN = 1_000;

interface Keyed {
  request: ApiRequest;
  key: string;
  fingerprint: Buffer;
}

/** Null: it has to go alone. */
type Outcome = Rendered | Problem | null;

interface Waiting extends Keyed {
  resolve(outcome: Outcome): void;
}

export class Together {
  readonly #handler: TogetherHandler;
  readonly #requests: Scope;
  readonly #check: (given: Answer) => void;
  /** By workspace, while one of its transactions is under way or about to be. */
  readonly #waiting = new Map<string, Waiting[]>();

  /** `requests`: the parent of the transactions' scopes. */
  constructor(handler: TogetherHandler, requests: Scope, check: (given: Answer) => void) {
    this.#handler = handler;
    this.#requests = requests;
    this.#check = check;
  }

  /** Null: the request has to go alone, and has had no effect that its key does not tell of. Throws a Problem. */
  async answer(keyed: Keyed): Promise<Rendered | null> {
    if (Number(keyed.request.headers['content-length'] ?? Infinity) > BODY_BYTES_MAX) return null;
    const outcome = await new Promise<Outcome>((resolve) => this.#wait({ ...keyed, resolve }));
    if (outcome instanceof Problem) throw outcome;
    return outcome;
  }

  #wait(one: Waiting): void {
    const { workspaceId } = one.request;
    const waiting = this.#waiting.get(workspaceId);
    if (waiting) waiting.push(one);
    else {
      this.#waiting.set(workspaceId, [one]);
      // With what else has arrived by now.
      setImmediate(() => this.#work(workspaceId));
    }
  }

  async #work(workspaceId: string): Promise<void> {
    for (;;) {
      const waiting = this.#waiting.get(workspaceId) ?? [];
      if (waiting.length === 0) break;
      const taken = waiting.splice(0, REQUESTS_MAX);
      const asked = firstOfEachKey(taken.filter(hasTime));
      const outcomes = await this.#answerAll(workspaceId, asked).catch(() => new Map());
      for (const one of taken) one.resolve(outcomes.get(one) ?? null);
    }
    this.#waiting.delete(workspaceId);
  }

  async #answerAll(workspaceId: string, asked: Waiting[]): Promise<Map<Keyed, Outcome>> {
    const [first] = asked;
    if (!first) return new Map();
    const { pipelined, metrics } = first.request.services;
    const deadlineMs = Math.min(...asked.map(({ request }) => request.scope.remainingMs()));
    const scope = this.#requests.child('together', { deadlineMs });
    try {
      const work = (tx: Tx) => this.#effect(tx, workspaceId, asked);
      const outcomes = await pipelined.withWorkspace(workspaceId, work, scope);
      metrics.idempotency.inc({ result: 'fresh' }, outcomes.size);
      return outcomes;
    } finally {
      scope.cancel('done');
    }
  }

  async #effect(tx: Tx, workspaceId: string, asked: Waiting[]): Promise<Map<Keyed, Outcome>> {
    const keys = asked.map(({ key }) => key);
    const taken = new Set(await takenKeys(tx, workspaceId, keys));
    const fresh = asked.filter(({ key, request }) => !taken.has(key) && !request.scope.ended);
    if (fresh.length === 0) return new Map();
    const given = await this.#handler(
      fresh.map(({ request }) => request),
      tx,
    );
    const outcomes = new Map<Keyed, Outcome>();
    const answered: Answered[] = [];
    fresh.forEach((one, i) => {
      const outcome = this.#outcomeOf(one, given[i]);
      outcomes.set(one, outcome instanceof Problem ? outcome : outcome.response);
      if (!(outcome instanceof Problem)) answered.push(outcome);
    });
    keepAnswers(tx, workspaceId, answered);
    return outcomes;
  }

  /** What is kept under the key; or a refusal that leaves it free. */
  #outcomeOf({ key, fingerprint, request }: Keyed, given: Answer | Problem | undefined): Answered | Problem {
    if (!given) throw new Error('a request was given no answer');
    if (given instanceof Problem)
      return isDefinitive(given) ? { key, fingerprint, response: kept(answerOf(given, request.id)) } : given;
    this.#check(given);
    return { key, fingerprint, response: kept(given) };
  }
}

function hasTime({ request: { scope } }: Waiting): boolean {
  return !scope.ended && scope.remainingMs() >= LEFT_MS_MIN;
}

function firstOfEachKey(all: Waiting[]): Waiting[] {
  const first = new Map<string, Waiting>();
  for (const one of all) if (!first.has(one.key)) first.set(one.key, one);
  return [...first.values()];
}
