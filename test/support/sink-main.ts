/** The recording sink's process: LOGFILE SEED. See sink.ts for what it is for. */
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { serveHelper } from './helper-process.ts';
import { seededRandom } from './random.ts';
import { SinkConnection, type SinkHooks } from './sink-connection.ts';
import { SinkLog } from './sink-log.ts';
import { type SinkBehaviour, type SinkQuestion, type SinkReport, WELL } from './sink-protocol.ts';

const [logFile = '', seed] = process.argv.slice(2);
const random = seededRandom(Number(seed));
const log = await SinkLog.open(logFile);
const started = performance.now();
const sockets = new Set<Socket>();
const connectionsBySecond: Record<number, number> = {};
let held: Reply[] = [];
const waiting: { accepted: number; tell: (report: Promise<SinkReport>) => void }[] = [];
let behaviour = WELL;
let connections = 0;

const hooks: SinkHooks = {
  behaviour: () => behaviour,
  chance: (share) => share > 0 && random() < share,
  record: (record, whenDurable) =>
    log.append(record, () => {
      whenDurable();
      tellWaiting();
    }),
  whenReplyIsDue: (answer) => reply({ ordinal: log.accepted, answer }),
};

const server = createServer((socket) => {
  const second = Math.floor((performance.now() - started) / 1000);
  connectionsBySecond[second] = (connectionsBySecond[second] ?? 0) + 1;
  connections += 1;
  sockets.add(socket);
  socket.once('close', () => sockets.delete(socket));
  if (behaviour.door === 'silent') socket.on('error', () => {}).pause();
  else new SinkConnection(socket, hooks);
});

const port = listen(0);
serveHelper(answer);

async function answer(question: SinkQuestion): Promise<SinkReport> {
  if (question.kind === 'await') return untilAccepted(question.accepted);
  if (question.kind === 'behave') await behave(question.behaviour);
  return report();
}

async function behave(change: Partial<SinkBehaviour>): Promise<void> {
  const before = behaviour.door;
  behaviour = { ...behaviour, ...change };
  const owed = held;
  held = [];
  owed.forEach(reply);
  if (behaviour.door === before) return;
  if (behaviour.door === 'silent') for (const socket of sockets) socket.pause();
  if (before === 'silent' || behaviour.door === 'refuse')
    for (const socket of sockets) socket.resetAndDestroy();
  if (behaviour.door === 'refuse') server.close();
  else if (before === 'refuse') await listen(await port);
}

interface Reply {
  /** Of the message among all that were accepted, from 1. */
  ordinal: number;
  answer: () => void;
}

function reply(due: Reply): void {
  const [min, max] = behaviour.replyMs;
  if (due.ordinal > behaviour.repliesMax) held.push(due);
  else if (max === 0) due.answer();
  else setTimeout(due.answer, min + random() * (max - min));
}

async function listen(wanted: number): Promise<number> {
  server.listen(wanted, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return address && typeof address === 'object' ? address.port : 0;
}

async function report(): Promise<SinkReport> {
  const { accepted, duplicates } = log;
  return {
    port: await port,
    accepted,
    duplicates,
    connections,
    connectionsOpen: sockets.size,
    connectionsBySecond,
  };
}

function untilAccepted(accepted: number): Promise<SinkReport> {
  const { promise, resolve } = Promise.withResolvers<SinkReport>();
  waiting.push({ accepted, tell: resolve });
  tellWaiting();
  return promise;
}

function tellWaiting(): void {
  for (const wish of waiting.filter(({ accepted }) => accepted <= log.accepted)) {
    waiting.splice(waiting.indexOf(wish), 1);
    wish.tell(report());
  }
}
