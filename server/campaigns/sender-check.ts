/**
 * Who may be the sender of a message of its own: what the checklist asks of a campaign's From address, without the DNS.
 * A good answer is remembered for a moment, because every message asks; a bad one is looked at again.
 */
import type { Config } from '../kernel/config.ts';
import type { Tx } from '../kernel/database.ts';
import type { Secrets } from '../kernel/secrets.ts';
import { dkimKeysOf } from '../senders/domains.ts';
import { environmentRoute, routePlanOf } from '../senders/routes.ts';
import { checkFrom, isRehearsal, unsigned } from './checklist-sender.ts';

const GOOD_MS = 10_000;
const NAMES_MAX = 10_000;

export class SenderCheck {
  readonly #config: Config;
  readonly #secrets: Secrets;
  /** Until when, by workspace and domain. Monotonic. */
  readonly #good = new Map<string, number>();

  constructor(config: Config, secrets: Secrets) {
    this.#config = config;
    this.#secrets = secrets;
  }

  /** Why mail from this address would be refused; null: it may be sent. One sentence. */
  async faultOf(tx: Tx, workspaceId: string, fromEmail: string): Promise<string | null> {
    const fromDomain = fromEmail.slice(fromEmail.lastIndexOf('@') + 1).toLowerCase();
    const name = `${workspaceId} ${fromDomain}`;
    if ((this.#good.get(name) ?? 0) > performance.now()) return null;
    const fault = await this.#look(tx, workspaceId, fromEmail, fromDomain);
    if (fault === null) this.#remember(name);
    return fault;
  }

  async #look(tx: Tx, workspaceId: string, fromEmail: string, fromDomain: string): Promise<string | null> {
    const config = this.#config;
    const plan = await routePlanOf(tx, this.#secrets, workspaceId, fromDomain, environmentRoute(config));
    const sender = { config, fromEmail, fromDomain, routes: plan.levels.flat() };
    if (isRehearsal(sender)) return null;
    const from = checkFrom(sender, false);
    if (from.verdict === 'red') return from.sentence;
    if (sender.routes.every(({ kind }) => kind === 'relay')) return null;
    const keys = await dkimKeysOf(tx, this.#secrets, workspaceId, fromDomain);
    return keys.length > 0 ? null : unsigned(fromDomain).sentence;
  }

  #remember(name: string): void {
    if (this.#good.size >= NAMES_MAX) this.#good.clear();
    this.#good.set(name, performance.now() + GOOD_MS);
  }
}
