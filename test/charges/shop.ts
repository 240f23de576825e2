/** A shop that buys: one order each, in a workspace of its own, and it does not give up before it knows how it ended. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { createKey } from '../../server/accounts/keys.ts';
import { operator } from '../../server/accounts/principal.ts';
import { ensureWorkspace } from '../../server/accounts/workspaces.ts';
import type { Database } from '../../server/kernel/database.ts';
import { newId } from '../../server/kernel/ids.ts';

const AGAIN_MS = 300;
const PATIENCE_MS = 90_000;
const CREDITS = 10_000;

/** What it names what it buys by, so that a second key for it is no second purchase; none: by its key alone. */
export type Naming = 'none' | 'reference' | 'invoice';

export interface Heard {
  status: number;
  body: string;
  code: string | undefined;
  isReplay: boolean;
}

export class Shop {
  readonly workspaceId = newId();
  readonly email: string;
  /** What it must have in the end. */
  readonly credits = CREDITS;
  #key = randomUUID();
  #order: Record<string, unknown> = {};
  #authorization = '';
  /** The first answer that was definite. */
  #answer: Heard | undefined;
  #replaysWrong = 0;

  private constructor(number: number) {
    this.email = `shop-${number}@charges.example`;
  }

  static async open(database: Database, api: string, number: number, naming: Naming): Promise<Shop> {
    const shop = new Shop(number);
    const { workspaceId, email } = shop;
    await ensureWorkspace(database, workspaceId, `Shop ${number}`);
    const { key } = await createKey(database, operator(workspaceId), { name: 'shop', role: 'billing' }, {});
    shop.#authorization = `Bearer ${key}`;
    const what = { credits: CREDITS, buyer: { name: `Shop ${number}`, country: 'DK', email } };
    const bought =
      naming === 'invoice'
        ? { invoice_id: await shop.#openInvoice(api, what) }
        : { ...what, ...(naming === 'reference' ? { reference: `order-${number}` } : {}) };
    shop.#order = { ...bought, payment_method: 'pm_card_visa' };
    return shop;
  }

  /** Asks until it has a definite answer, or the server is gone. */
  async ask(api: string): Promise<void> {
    while (this.#answer === undefined && (await this.#askOnce(api))) await sleep(AGAIN_MS);
  }

  /** Asks until it knows, with another key if it lost its own, and then twice more for the same answer. */
  async insist(api: string, withNewKey: boolean): Promise<void> {
    if (withNewKey) {
      this.#key = randomUUID();
      this.#answer = undefined;
    }
    const giveUpAt = performance.now() + PATIENCE_MS;
    while (this.#answer === undefined && performance.now() < giveUpAt) {
      await this.#askOnce(api);
      await sleep(AGAIN_MS);
    }
    await this.#askOnce(api);
    await this.#askOnce(api);
  }

  /** 0, or why what it heard is not what it should have. */
  get replaysWrong(): number {
    return this.#answer === undefined ? 1 : this.#replaysWrong;
  }

  get heard(): Heard | undefined {
    return this.#answer;
  }

  /** False: no answer came. */
  async #askOnce(api: string): Promise<boolean> {
    const heard = await this.#post(api, '/v1/payments', this.#order, this.#key);
    if (heard) this.#keep(heard);
    return heard !== undefined;
  }

  #keep(heard: Heard): void {
    if (this.#answer === undefined) {
      // 409 conflict: it was paid under the key that was lost.
      if (heard.status === 201 || heard.code === 'conflict') this.#answer = heard;
      return;
    }
    const { status, body } = this.#answer;
    if (heard.status !== status || heard.body !== body || !heard.isReplay) this.#replaysWrong = 1;
  }

  async #openInvoice(api: string, what: unknown): Promise<string> {
    const heard = await this.#post(api, '/v1/invoices', what, randomUUID());
    if (heard?.status !== 201) throw new Error(`no invoice was opened: ${heard?.body}`);
    return JSON.parse(heard.body).id;
  }

  /** Undefined: the connection ended without an answer. */
  async #post(api: string, path: string, body: unknown, key: string): Promise<Heard | undefined> {
    try {
      const response = await fetch(api + path, {
        method: 'POST',
        headers: {
          authorization: this.#authorization,
          'content-type': 'application/json',
          'idempotency-key': key,
        },
        body: JSON.stringify(body),
      });
      const text = await response.text();
      const { code } = JSON.parse(text);
      const isReplay = response.headers.get('idempotent-replayed') === 'true';
      return { status: response.status, body: text, code, isReplay };
    } catch {
      return undefined;
    }
  }
}
