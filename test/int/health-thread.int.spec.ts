// The health port answers whatever its service is busy with.
import { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import { z } from 'zod';
import { HealthThread, notReadyAfterMs, stuckAfterMs } from '../../shared/runtime/http/health-thread.ts';
import type { HttpAnswer } from '../../shared/runtime/http/route.ts';
import { eventually } from '../support/wait.ts';

const Shown = z.tuple([z.int(), z.object({ status: z.string(), warnings: z.array(z.string()).optional() })]);
const Answers = z.tuple([Shown, Shown]);
const ready = { status: 200, body: { status: 'ready', warnings: [] as string[] } };

describe('the health port', () => {
  let health: HealthThread;
  let readiness: HttpAnswer;
  before(async () => {
    readiness = ready;
    health = await HealthThread.start({
      ...{ service: 'test-service', port: 0, host: '127.0.0.1' },
      readiness: () => readiness,
    });
  });
  after(() => health.stop());

  async function get(path: string): Promise<{ status: number; body: unknown }> {
    const response = await fetch(`http://127.0.0.1:${health.port}${path}`);
    return { status: response.status, body: await response.json() };
  }

  it('answers /livez and /health_check, and nothing but probes', async () => {
    expect(await get('/livez')).to.deep.equal({ status: 200, body: { status: 'alive' } });
    expect(await get('/health_check')).to.deep.equal({ status: 200, body: { status: 'ok', service: 'test-service' } });
    expect((await get('/orders')).status).to.equal(404);
  });

  it('answers /readyz with what the service says, as it changes', async () => {
    const answers = async ({ status, body }: HttpAnswer) => {
      const answer = await eventually(
        'the status that the service gives',
        () => get('/readyz'),
        (got) => got.status === status,
      );
      expect(answer.body).to.deep.equal(body);
    };
    await answers(ready);
    readiness = { status: 503, body: { status: 'not-ready', warnings: ['the outbox is full'] } };
    await answers(readiness);
    readiness = ready;
    await answers(ready);
  });

  it('is alive, and not ready any more, while the service has been busy with one thing for 5 s', async () => {
    // The service is busy until both are answered, however slow the machine is.
    const asked = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
    const script = `
      const { workerData: { url, asked }, parentPort } = require('node:worker_threads');
      const get = async (path) => { const answer = await fetch(url + path); return [answer.status, await answer.json()]; };
      setTimeout(async () => {
        const answers = [await get('/livez'), await get('/readyz')];
        Atomics.store(asked, 0, 1);
        parentPort.postMessage(answers);
      }, ${notReadyAfterMs + 500});`;
    const url = `http://127.0.0.1:${health.port}`;
    const asker = new Worker(script, { eval: true, workerData: { url, asked } });
    const untilMs = performance.now() + stuckAfterMs - 5_000;
    const answered = new Promise<unknown>((resolve) => asker.once('message', resolve));
    await new Promise((resolve) => asker.once('online', resolve));
    while (Atomics.load(asked, 0) === 0 && performance.now() < untilMs);
    const [live, stuck] = Answers.parse(await answered);
    expect(live).to.deep.equal([200, { status: 'alive' }]);
    expect(stuck[0]).to.equal(503);
    expect(stuck[1].warnings?.join()).to.match(/^it has been busy with one thing for \d+ s$/);
  });
});
