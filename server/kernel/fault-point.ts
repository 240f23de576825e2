/**
 * Fault points: places with a name, where a crash test ends the process as a power cut would.
 *
 * CAMP_FAULT_POINT=NAME kills the process when it comes there; NAME:25 when it comes there for the 25th time, and those
 * that come before wait there, so that all of them are caught at the same place. Without the variable a fault point is
 * an empty function.
 */
const [armed = '', count = '1'] = (process.env.CAMP_FAULT_POINT ?? '').split(':');
let arrivalsLeft = Number(count);

export const faultPoint: (name: string) => Promise<void> = armed === '' ? async () => {} : arrive;

async function arrive(name: string): Promise<void> {
  if (name !== armed) return;
  arrivalsLeft -= 1;
  if (arrivalsLeft <= 0) process.kill(process.pid, 'SIGKILL');
  await new Promise(() => {});
}
