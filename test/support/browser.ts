/** Somebody at a browser: keeps the cookies that it is given, and says of its requests that our own pages make them. */
import type { Heard, Question, TestWeb } from './web.ts';

export class Browser {
  readonly #web: TestWeb;
  readonly #cookies = new Map<string, string>();
  /** Network address that a trusted proxy tells. */
  readonly address: string | undefined;

  constructor(web: TestWeb, address?: string) {
    this.#web = web;
    this.address = address;
  }

  get cookie(): string {
    return [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ');
  }

  async ask(line: string, { headers, ...question }: Question = {}): Promise<Heard> {
    const heard = await this.#web.ask(line, {
      ...question,
      headers: {
        'sec-fetch-site': 'same-origin',
        'x-camp-request': '1',
        ...(this.cookie === '' ? {} : { cookie: this.cookie }),
        ...(this.address === undefined ? {} : { 'x-forwarded-for': this.address }),
        ...headers,
      },
    });
    for (const line of heard.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (/max-age=0/i.test(line)) this.#cookies.delete(name);
      else this.#cookies.set(name, value);
    }
    return heard;
  }
}
