// The report of a run, as text.
import { ms } from '../measure/figures-as-text.ts';
import { fsyncReport } from './fsync-report.ts';
import { growthReport } from './growth-report.ts';
import { latencyReport } from './latency-report.ts';
import { memoryReport } from './memory-report.ts';
import { overloadReport } from './overload-report.ts';
import type { BenchResult } from './result.ts';
import { saturationReport } from './saturation-report.ts';

export function reportOf(result: BenchResult): string {
  const parts = [
    headOf(result),
    result.saturation && saturationReport('Saturation', result.saturation),
    result.fsyncs && fsyncReport(result.fsyncs),
    result.latency && latencyReport('POST → confirmed', result.latency),
    result.failure && saturationReport('Saturation, failure path (refused stock, refunded)', result.failure.saturation),
    result.failure && latencyReport('POST → cancelled (refused stock, refunded)', result.failure.latency),
    result.memory && memoryReport(result.memory),
    result.growth && growthReport(result.growth),
    result.overload && overloadReport(result.overload),
  ];
  return `${parts.filter((part) => part !== undefined).join('\n\n')}\n`;
}

function headOf({ machine, broker, command, quick, messages, startedAt, tookS }: BenchResult): string {
  const { processors, processor, memoryBytes, system, node, fileSystem, fdatasyncMs, loadBefore } = machine;
  const lines = [
    `${command}, ${startedAt}, took ${Math.round(tookS)} s`,
    `${processors} × ${processor}, ${Math.round(memoryBytes / 2 ** 30)} GiB, ${system}, Node ${node.slice(1)}, ${broker}`,
    `databases on ${fileSystem}: one write and its fdatasync take ${ms(fdatasyncMs)} ms; synchronous=FULL, quorum queues`,
    'services: NODE_ENV=production, LOG_LEVEL=info to /dev/null',
    'raw: three plain Node processes; same exchanges, queues, bindings, messages, confirms; no validation, no database',
    'baseline: the same with a separate fsynced transaction, publish and ack for each message; no confirms, no outbox',
    ...(['confirmed', 'refused'] as const).map(
      (scenario) =>
        `a ${scenario} saga: ${messages[scenario].map(({ type, bytes, queues }) => `${type} ${bytes} B × ${queues}`).join(', ')}`,
    ),
  ];
  if (fileSystem === 'tmpfs') lines.push('! tmpfs: an fsync costs nothing there. Set TMPDIR to a folder on a disk.');
  if (loadBefore > processors / 2) {
    lines.push(`! load was ${loadBefore.toFixed(1)} before the run: something else was using the processors`);
  }
  if (quick) lines.push('! --quick: too short for figures to quote');
  return lines.join('\n');
}
