/** The thread of template-thread.ts: says that it is ready, and then does one task after the other, each with its answer. */
import { parentPort } from 'node:worker_threads';
import { type TemplateTask, workOn } from './template-work.ts';

parentPort?.on('message', (task: TemplateTask) => parentPort?.postMessage(workOn(task)));
parentPort?.postMessage('ready');
