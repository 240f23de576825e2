/** A provider on its address: takes connections, and changes its behaviour when it is told to. */
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import type { SecureContext } from 'node:tls';
import type { Provider } from './provider.ts';
import { SmtpSession } from './session.ts';
import type { Manner } from './spec.ts';

/** Of control: from and until are milliseconds from now. */
export interface Change {
  manner: Partial<Manner>;
  fromMs?: number;
  untilMs?: number;
}

export class ProviderServer {
  readonly provider: Provider;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(provider: Provider, secureContext: SecureContext) {
    this.provider = provider;
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
      new SmtpSession(socket, provider, secureContext);
    });
  }

  /** Resolves to the port; 0 takes a free one. Rejects with the system's error. */
  async listen(host: string, port: number): Promise<number> {
    this.#server.listen({ host, port, backlog: 4096 });
    await once(this.#server, 'listening');
    const address = this.#server.address();
    return address && typeof address === 'object' ? address.port : 0;
  }

  close(): void {
    this.#server.close();
  }

  change({ manner, fromMs = 0, untilMs }: Change): void {
    let takeBack = () => {};
    const begin = () =>
      this.#alter(() => {
        takeBack = this.provider.change(manner);
      });
    if (fromMs > 0) setTimeout(begin, fromMs);
    else begin();
    if (untilMs !== undefined) setTimeout(() => this.#alter(takeBack), untilMs);
  }

  /** Who waited for a provider that was silent is reset when it is well again. */
  #alter(change: () => void): void {
    const wasSilent = this.provider.manner.door === 'silent';
    change();
    if (!wasSilent || this.provider.manner.door === 'silent') return;
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }
}
