/** The library that most Node programs send with, on the same mail: a pool of ten connections. */
import { createTransport } from 'nodemailer';
import type { Sink } from './postfix.ts';
import { type SampleMail, SENDER } from './sample-mail.ts';

const CONNECTIONS = 10;

/** Messages a second. */
export async function nodemailerRate(sink: Sink, mail: SampleMail, messages: number): Promise<number> {
  const pool = createTransport({
    host: '127.0.0.1',
    port: sink.port,
    ignoreTLS: true,
    pool: true,
    maxConnections: CONNECTIONS,
    maxMessages: Number.POSITIVE_INFINITY,
  });
  const from = { name: SENDER.name, address: SENDER.email };
  const { subject, html, text } = mail;
  const startedAt = performance.now();
  const recipients = Array.from({ length: messages }, (_, i) => `person${i}@example${i % 97}.example`);
  await Promise.all(recipients.map((to) => pool.sendMail({ from, to, subject, html, text })));
  const tookMs = performance.now() - startedAt;
  pool.close();
  return (messages / tookMs) * 1_000;
}
