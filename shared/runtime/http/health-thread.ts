// Answers probes on a port and in a thread of its own, whatever the service is busy with: a flood of connections fills neither
// its queue nor its event loop. The service beats twice a second, and says how it is; the thread runs this same file.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { parentPort, Worker, workerData } from 'node:worker_threads';
import { z } from 'zod';
import type { HttpAnswer } from './route.ts';

const beatMs = 500;
/** Without a beat for so long, the service is not ready any more; and it is stuck, and best started again. */
export const notReadyAfterMs = 5_000;
export const stuckAfterMs = 30_000;

const Task = z.object({
  service: z.string(),
  healthPort: z.int(),
  host: z.string(),
  beats: z.instanceof(SharedArrayBuffer),
});
type Task = z.output<typeof Task>;

const Shown = z.object({ status: z.int(), body: z.looseObject({ warnings: z.array(z.string()) }) });
type Shown = z.output<typeof Shown>;
const Listening = z.object({ port: z.int() });

export interface HealthThreadOptions {
  readonly service: string;
  /** 0: any free one. */
  readonly port: number;
  readonly host: string;
  /** The answer to GET /readyz. */
  readonly readiness: () => HttpAnswer;
}

export class HealthThread {
  readonly port: number;
  readonly #thread: Worker;
  readonly #timer: NodeJS.Timeout;

  private constructor(thread: Worker, timer: NodeJS.Timeout, port: number) {
    this.#thread = thread;
    this.#timer = timer;
    this.port = port;
  }

  /** Resolves when it listens. */
  static start({ service, port, host, readiness }: HealthThreadOptions): Promise<HealthThread> {
    const beats = new SharedArrayBuffer(BigInt64Array.BYTES_PER_ELEMENT);
    const lastBeat = new BigInt64Array(beats);
    const task: Task = { service, healthPort: port, host, beats };
    const thread = new Worker(fileURLToPath(import.meta.url), { workerData: task });
    thread.unref();
    const beat = (): void => {
      Atomics.store(lastBeat, 0, process.hrtime.bigint());
      const { status, body } = readiness();
      thread.postMessage({ status, body });
    };
    return new Promise((resolve, reject) => {
      thread.once('error', reject);
      thread.once('message', (message: unknown) => {
        beat();
        const timer = setInterval(beat, beatMs).unref();
        resolve(new HealthThread(thread, timer, Listening.parse(message).port));
      });
    });
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#thread.terminate();
  }
}

function serve({ service, healthPort, host, beats }: Task): void {
  const lastBeat = new BigInt64Array(beats);
  let shown: Shown = { status: 503, body: { status: 'not-ready', service, warnings: ['it is starting'] } };
  parentPort?.on('message', (message: unknown) => {
    shown = Shown.parse(message);
  });
  const silentMs = (): number => Number((process.hrtime.bigint() - Atomics.load(lastBeat, 0)) / 1_000_000n);
  const server = createServer((request, response) => answer(request, response, service, shown, silentMs()));
  // As any error in a thread, it reaches the service, whose start then fails.
  server.on('error', (error) => {
    throw error;
  });
  server.listen(healthPort, host, () => {
    parentPort?.postMessage({ port: (server.address() as AddressInfo).port });
  });
}

function answer(request: IncomingMessage, response: ServerResponse, service: string, shown: Shown, silentMs: number) {
  const path = request.url?.split('?', 1)[0] ?? '';
  const busy = `it has been busy with one thing for ${Math.round(silentMs / 1_000)} s`;
  if (path === '/readyz') {
    if (silentMs < notReadyAfterMs) return send(response, shown.status, shown.body);
    const { body } = shown;
    return send(response, 503, { ...body, status: 'not-ready', warnings: [busy, ...body.warnings] });
  }
  if (path !== '/livez' && path !== '/health_check')
    return send(response, 404, { status: 404, detail: 'here are /livez, /readyz and /health_check only' });
  if (silentMs >= stuckAfterMs) return send(response, 503, { status: 'stuck', service, detail: busy });
  send(response, 200, path === '/livez' ? { status: 'alive' } : { status: 'ok', service });
}

function send(response: ServerResponse, status: number, body: object): void {
  const text = `${JSON.stringify(body)}\n`;
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
  response.end(text);
}

const task = Task.safeParse(workerData);
if (task.success) serve(task.data);
