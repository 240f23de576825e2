/** The numbers of destinations: a cache of rows that never change. A destination's number is the lane of its messages. */
import type { Database } from '../kernel/database.ts';
import * as queries from './queries.ts';

const REMEMBERED_MAX = 100_000;

export class Destinations {
  readonly #database: Database;
  readonly #names = new Map<number, string>();
  readonly #ids = new Map<string, Promise<number>>();
  /** By domain, what this process wrote last. */
  readonly #remembered = new Map<string, number>();

  constructor(database: Database) {
    this.#database = database;
  }

  /** Of a number that `load` was called with before. */
  nameOf(id: number): string | undefined {
    return this.#names.get(id);
  }

  async load(id: number): Promise<void> {
    if (this.#names.has(id)) return;
    const name = await this.#database.withSystem((tx) => queries.destinationName(tx, id));
    if (name === undefined) throw new Error(`lane ${id} is no destination's`);
    this.#names.set(id, name);
  }

  /** Gives a name its number, the first time for ever. */
  idOf(name: string): Promise<number> {
    let id = this.#ids.get(name);
    if (id === undefined) {
      id = this.#database.withSystem((tx) => queries.ensureDestination(tx, name));
      this.#ids.set(name, id);
      id.catch(() => this.#ids.delete(name));
    }
    return id;
  }

  /** The next freeze puts the domain's messages into the destination's lane at once. */
  async remember(domain: string, id: number): Promise<void> {
    if (this.#remembered.get(domain) === id) return;
    await this.#database.withSystem((tx) => queries.rememberMailDomain(tx, domain, id));
    if (this.#remembered.size >= REMEMBERED_MAX) this.#remembered.clear();
    this.#remembered.set(domain, id);
  }
}
