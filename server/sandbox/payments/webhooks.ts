/** Events on their way to the shop's endpoint, signed as Stripe signs them, and tried again until they are taken. */
import { createHmac } from 'node:crypto';
import { callHttp } from '../../kernel/http.ts';
import type { Scope } from '../../kernel/scope.ts';
import type { ProviderEventBody } from './objects.ts';
import type { PaymentBehaviour } from './report.ts';

const COPIES = 3;
const SHUFFLE_MS = 400;
const TRIES = 20;
const RETRY_MS = 500;
const ANSWER_MS_MAX = 5_000;

export class WebhookSender {
  delivered = 0;
  readonly #scope: Scope;
  readonly #secret: string;

  constructor(scope: Scope, secret: string) {
    this.#scope = scope;
    this.#secret = secret;
  }

  send(event: ProviderEventBody, { webhookUrl, webhooks }: PaymentBehaviour): void {
    if (webhookUrl === null) return;
    const copies = webhooks === 'once' ? 1 : COPIES;
    const url = new URL(webhookUrl);
    const body = JSON.stringify(event);
    for (let copy = 0; copy < copies; copy += 1) {
      const waitMs = webhooks === 'once' ? 0 : Math.random() * SHUFFLE_MS;
      // Whoever stops the sandbox stops its webhooks too.
      this.#deliver(url, body, waitMs).catch(() => {});
    }
  }

  async #deliver(url: URL, body: string, waitMs: number): Promise<void> {
    await this.#scope.sleep(waitMs);
    for (let tries = 0; tries < TRIES; tries += 1) {
      if (await this.#post(url, body)) return;
      await this.#scope.sleep(RETRY_MS);
    }
  }

  async #post(url: URL, body: string): Promise<boolean> {
    const headers = {
      'content-type': 'application/json',
      'stripe-signature': signature(body, this.#secret, Math.floor(Date.now() / 1_000)),
    };
    const request = {
      method: 'POST',
      url,
      headers,
      body,
      deadlineMs: ANSWER_MS_MAX,
      responseBytesMax: 65_536,
    };
    const status = await callHttp(this.#scope, request).then(
      (response) => response.status,
      () => 0,
    );
    if (status < 200 || status >= 300) return false;
    this.delivered += 1;
    return true;
  }
}

/** Stripe's scheme v1: HMAC-SHA256 over the time and the body as they are sent. */
function signature(body: string, secret: string, at: number): string {
  return `t=${at},v1=${createHmac('sha256', secret).update(`${at}.${body}`).digest('hex')}`;
}
