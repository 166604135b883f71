// What is measured beside the orders: memory of the services, and how fast they answer /livez.
import { readFileSync } from 'node:fs';
import { type PerService, perService, serviceNames } from '../../services.ts';
import type { ServiceName } from '../../shared/contract/choreography.ts';
import type { ServiceProcess } from '../service-process.ts';

const memoryEveryMs = 5_000;
const probeEveryMs = 250;
const probeTimeoutMs = 5_000;

export interface MemorySample {
  readonly atMs: number;
  readonly service: ServiceName;
  readonly mebibytes: number;
}

export interface ProbeSample {
  readonly atMs: number;
  readonly service: ServiceName;
  /** Undefined: no answer in time, while the process was running. */
  readonly ms: number | undefined;
}

export class Samples {
  readonly memory: MemorySample[] = [];
  readonly probes: ProbeSample[] = [];
  readonly #services: PerService<ServiceProcess>;
  #timers: NodeJS.Timeout[] = [];
  readonly #probing = new Set<ServiceName>();

  constructor(stage: { service(name: ServiceName): ServiceProcess }) {
    this.#services = perService((name) => stage.service(name));
  }

  start(): void {
    this.#takeMemory();
    this.#timers = [
      setInterval(() => this.#takeMemory(), memoryEveryMs),
      setInterval(() => {
        for (const name of serviceNames) void this.#probe(name);
      }, probeEveryMs),
    ];
  }

  stop(): void {
    for (const timer of this.#timers) clearInterval(timer);
    this.#takeMemory();
  }

  #takeMemory(): void {
    for (const service of serviceNames) {
      const { pid, running } = this.#services[service];
      const mebibytes = pid === undefined || !running ? undefined : residentMiB(pid);
      if (mebibytes !== undefined) this.memory.push({ atMs: performance.now(), service, mebibytes });
    }
  }

  async #probe(service: ServiceName): Promise<void> {
    const { url, pid, running } = this.#services[service];
    if (!running || this.#probing.has(service)) return;
    this.#probing.add(service);
    const atMs = performance.now();
    try {
      const answer = await fetch(`${url}/livez`, { signal: AbortSignal.timeout(probeTimeoutMs) });
      await answer.arrayBuffer();
      this.probes.push({ atMs, service, ms: performance.now() - atMs });
    } catch {
      // Killed meanwhile, or just started: nobody was there to answer.
      const same = this.#services[service].pid === pid && performance.now() - atMs >= probeTimeoutMs;
      if (same) this.probes.push({ atMs, service, ms: undefined });
    } finally {
      this.#probing.delete(service);
    }
  }
}

function residentMiB(pid: number): number | undefined {
  try {
    const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return kibibytes === undefined ? undefined : Number(kibibytes) / 1024;
  } catch {
    return undefined;
  }
}
