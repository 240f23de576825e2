/** The recording sink's process: LOGFILE SEED. See sink.ts for what it is for. */
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { seededRandom } from './random.ts';
import { SinkConnection, type SinkHooks } from './sink-connection.ts';
import { SinkLog } from './sink-log.ts';
import { type FromSink, type SinkBehaviour, type SinkReport, type ToSink, WELL } from './sink-protocol.ts';

const [logFile = '', seed] = process.argv.slice(2);
const random = seededRandom(Number(seed));
const log = await SinkLog.open(logFile);
const started = performance.now();
const sockets = new Set<Socket>();
const connectionsBySecond: Record<number, number> = {};
let held: Reply[] = [];
const waiting: { accepted: number; id: number }[] = [];
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

process.on('SIGINT', () => {});
process.on('disconnect', () => process.exit());
process.on('message', (message: ToSink) => void obey(message));
const port = await listen(0);
tell({ kind: 'ready', port });

async function obey(message: ToSink): Promise<void> {
  if (message.kind === 'await') {
    waiting.push(message);
    return tellWaiting();
  }
  if (message.kind === 'behave') await behave(message.behaviour);
  tell({ kind: 'answer', id: message.id, report: report() });
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
  else if (before === 'refuse') await listen(port);
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

function report(): SinkReport {
  const { accepted, duplicates } = log;
  return { accepted, duplicates, connections, connectionsOpen: sockets.size, connectionsBySecond };
}

function tellWaiting(): void {
  for (const wish of waiting.filter(({ accepted }) => accepted <= log.accepted)) {
    waiting.splice(waiting.indexOf(wish), 1);
    tell({ kind: 'answer', id: wish.id, report: report() });
  }
}

function tell(message: FromSink): void {
  process.send?.(message);
}
