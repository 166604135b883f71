// Logs 200 MiB in small turns without caring whether anybody reads, then tells its parent how much its memory has grown.
import { setImmediate as turn } from 'node:timers/promises';
import { createLog } from '../../shared/runtime/environment/log.ts';

const log = createLog('test', 'info');
const text = 'x'.repeat(1_000);
const rss = () => process.memoryUsage().rss / 1024 / 1024;
const before = rss();
for (let count = 0; count < 200_000; count += 1) {
  log.info({ text }, 'line');
  if (count % 100 === 0) await turn();
}
process.send?.(rss() - before);
process.disconnect();
// Keeps the process alive until what is left has been read.
const alive = setInterval(() => {}, 1_000);
setTimeout(() => log.flush(() => clearInterval(alive)), 1_000);
