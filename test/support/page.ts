/** A page of Camp's as somebody at a browser has it open: its own script runs, against the real API. */
import { runInNewContext } from 'node:vm';
import type { Browser } from './browser.ts';

/** As much of a page as its script touches. */
class Element {
  hidden = false;
  textContent = '';
  required = true;
  dataset: Record<string, string> = {};
  readonly #heard = new Map<string, (event: { preventDefault(): void }) => void>();
  addEventListener(name: string, listener: (event: { preventDefault(): void }) => void): void {
    this.#heard.set(name, listener);
  }
  fire(name: string): void {
    this.#heard.get(name)?.({ preventDefault: () => {} });
  }
  reset(): void {}
}

export interface OpenedPage {
  elements: Map<string, Element>;
  /** What the address bar shows. */
  address(): string;
  until(isSo: () => boolean): Promise<void>;
}

/** Somebody opens the link, and `fields` is what they fill in. */
export async function openPage(
  browser: Browser,
  link: string,
  fields: Record<string, string>,
): Promise<OpenedPage> {
  const { pathname, hash } = new URL(link);
  const html = (await browser.ask(`GET ${pathname}`)).bytes.toString();
  const [, script = ''] = /<script[^>]*>(.*)<\/script>/s.exec(html) ?? [];
  const elements = new Map<string, Element>();
  for (const [, id = '', hidden = ''] of html.matchAll(/ id="(\w+)"( hidden)?/g)) {
    const element = new Element();
    element.hidden = hidden !== '';
    elements.set(`#${id}`, element);
  }
  elements.set('[role=alert]', new Element());
  elements.set('#name input', new Element());
  const form = new Element();
  for (const [, name = '', value = ''] of html.matchAll(/ data-(\w+)="([^"]+)"/g)) form.dataset[name] = value;
  form.hidden = true;
  elements.set('form', form);
  let address = pathname + hash;
  let answered = Promise.withResolvers<void>();
  runInNewContext(script, {
    document: { querySelector: (selector: string) => elements.get(selector) ?? null },
    location: { hash, pathname, origin: 'http://localhost' },
    history: { replaceState: (_state: unknown, _title: string, url: string) => (address = url) },
    FormData: class {
      *[Symbol.iterator]() {
        yield* Object.entries(fields);
      }
    },
    async fetch(
      path: string,
      { method, headers, body }: { method: string; headers?: Record<string, string>; body?: string },
    ) {
      const heard = await browser.ask(`${method} ${path}`, {
        ...(headers ? { headers } : {}),
        ...(body ? { body } : {}),
      });
      setImmediate(() => {
        answered.resolve();
        answered = Promise.withResolvers();
      });
      return { ok: heard.status < 400, text: async () => heard.bytes.toString() };
    },
  });
  const until = async (isSo: () => boolean) => {
    while (!isSo()) await answered.promise;
  };
  return { elements, address: () => address, until };
}

export function shown({ elements }: OpenedPage, selector: string): boolean {
  return elements.get(selector)?.hidden === false;
}
