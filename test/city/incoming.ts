/**
 * What arrived from a client and was not taken yet, one character per byte. A command ends with CRLF, a message with
 * CRLF.CRLF, and nothing else ends either of them.
 */

export class Incoming {
  #text = '';
  /** Up to here no end of a message was found. */
  #searched = 0;

  get empty(): boolean {
    return this.#text === '';
  }

  add(text: string): void {
    this.#text += text;
  }

  /** Forgets everything. */
  clear(): void {
    this.#take(this.#text.length);
  }

  /** A command without its CRLF, or null while it is not whole. */
  takeLine(): string | null {
    const end = this.#text.indexOf('\r\n');
    return end < 0 ? null : this.#take(end + 2).slice(0, end);
  }

  /** A message up to its dot (RFC 5321 4.5.2), dots still doubled, or null while it is not whole. */
  takeMessage(): string | null {
    if (this.#text.startsWith('.\r\n')) {
      this.#take(3);
      return '';
    }
    const end = this.#text.indexOf('\r\n.\r\n', Math.max(0, this.#searched - 4));
    this.#searched = this.#text.length;
    return end < 0 ? null : this.#take(end + 5).slice(0, end + 2);
  }

  /** So many bytes (RFC 3030), or null while there are fewer. */
  takeBytes(count: number): string | null {
    return this.#text.length < count ? null : this.#take(count);
  }

  #take(count: number): string {
    const taken = this.#text.slice(0, count);
    this.#text = this.#text.slice(count);
    this.#searched = 0;
    return taken;
  }
}
