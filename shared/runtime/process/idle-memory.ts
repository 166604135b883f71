// Gives memory back after a load has passed. V8 collects garbage when something is allocated, and a service that has nothing
// to do allocates hardly anything: the heap of its busiest minute would stay for hours.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const lookMs = 15_000;
/** Of one processor: a service that uses less is idle. */
const idleShare = 0.1;
/** Garbage that is worth a collection, which takes about a millisecond a megabyte of what is in use. */
const grownBytesMin = 24 * 1024 * 1024;

export function freeMemoryWhenIdle(): void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  let inUse = process.memoryUsage().heapUsed;
  let cpu = process.cpuUsage();
  setInterval(() => {
    const { user, system } = process.cpuUsage(cpu);
    cpu = process.cpuUsage();
    const isIdle = user + system < lookMs * 1_000 * idleShare;
    if (!isIdle || process.memoryUsage().heapUsed < inUse + grownBytesMin) return;
    // The second one gives back the pages that the first has emptied.
    collect();
    collect();
    inUse = process.memoryUsage().heapUsed;
  }, lookMs).unref();
}
