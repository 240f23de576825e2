/** What the process of a sandbox says next. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';

/** Rejects with "NAME ended." when the process is gone. */
export async function nextMessage<Message>(child: ChildProcess, name: string): Promise<Message> {
  const gone = new AbortController();
  const onExit = () => gone.abort(new Error(`${name} ended.`));
  child.once('exit', onExit);
  try {
    const [message] = await once(child, 'message', { signal: gone.signal });
    return message;
  } catch (error) {
    throw gone.signal.aborted ? gone.signal.reason : error;
  } finally {
    child.off('exit', onExit);
  }
}
