// Traces where the way of an event is not the usual one, and what there is of them where nothing is traced.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { ReadableSpan } from '@opentelemetry/sdk-trace-node';
import { expect } from 'chai';
import { systemClock } from '../../shared/runtime/environment/clock.ts';
import { silentLog } from '../../shared/runtime/environment/log.ts';
import { isTracingOn, startTracing } from '../../shared/runtime/process/start-tracing.ts';
import { eventOf } from '../support/events.ts';
import { isOf, SagaInProcess } from '../support/saga-in-process.ts';
import { type Served, servePayments } from '../support/serve.ts';
import { placeOf, SpanRecorder } from '../support/span-recorder.ts';
import { eventually } from '../support/wait.ts';

const placed = eventOf('order.placed');
const handlePlaced = 'handle order.events:order.placed:payment-service';

function attribute(span: ReadableSpan | undefined, name: string): unknown {
  return span?.attributes[name];
}

describe('the trace of an event', () => {
  let recorder: SpanRecorder;
  let payments: Served;
  beforeEach(async () => {
    recorder = new SpanRecorder();
    payments = await servePayments({ tracing: recorder.tracing('payment-service') });
  });
  afterEach(async () => {
    await payments.close();
    await recorder.close();
  });

  it('goes on in what follows from the event: handled, committed and published below the span that its header names', async () => {
    await payments.consume(placed);
    const [handled] = await recorder.until(handlePlaced);
    const [published] = await recorder.until('publish payment.events:payment.failed');
    const [, traceId, spanId] = placed.traceparent.split('-');
    if (!handled || !published) throw new Error('there are no such spans');
    expect(placeOf(handled)).to.deep.equal({ traceId, parent: spanId });
    const below = { traceId, parent: handled.spanContext().spanId };
    expect(placeOf(published)).to.deep.equal(below);
    const [commit] = recorder.named('commit');
    expect(commit && placeOf(commit)).to.deep.equal(below);
    expect(attribute(commit, 'saga.events')).to.deep.equal(['payment.failed']);
    expect((await payments.bus.next('payment.failed')).traceparent).to.equal(`00-${traceId}-${below.parent}-01`);
  });

  it('takes a tracestate along', async () => {
    await payments.consume({ ...placed, tracestate: 'shop=basket' });
    expect(await payments.bus.next('payment.failed')).to.include({ tracestate: 'shop=basket' });
  });

  it('has a span for a duplicate, which says so', async () => {
    await payments.consume(placed);
    await payments.consume(placed);
    const spans = await recorder.until(handlePlaced, 2);
    expect(spans.map((span) => attribute(span, 'saga.outcome'))).to.deep.equal(['payment.failed', 'duplicate']);
  });

  it('has a span for each attempt to publish, and one that was unroutable is an error', async () => {
    payments.bus.autoAnswer = 'unroutable';
    await payments.consume(placed);
    const [failed] = await recorder.until('publish payment.events:payment.failed');
    expect(attribute(failed, 'error.type')).to.equal('unroutable');
    expect(failed?.status.code, 'ERROR').to.equal(2);
    payments.bus.autoAnswer = 'confirmed';
    const [, again] = await recorder.until('publish payment.events:payment.failed', 2);
    expect(attribute(again, 'saga.outcome')).to.equal('confirmed');
  });

  it('ends with an error at a dead letter', async () => {
    await payments.consume(eventOf('product.updated'));
    const [failed] = await recorder.until('handle inventory.events:product.updated:payment-service');
    expect(attribute(failed, 'error.type')).to.equal('unknown-type');
  });

  it('is not recorded where its publisher has decided so', async () => {
    await payments.consume({ ...placed, traceparent: placed.traceparent.replace(/01$/, '00') });
    expect((await payments.bus.next('payment.failed')).traceparent).to.match(/-00$/);
    expect(recorder.spans).to.deep.equal([]);
  });

  it('leaves probes and readers of the journal out', async () => {
    for (const path of ['/livez', '/readyz', '/metrics', '/events']) await payments.get(path);
    await payments.get('/totals');
    await recorder.until('GET /totals');
    expect(recorder.spans.map(({ name }) => name)).to.deep.equal(['GET /totals']);
  });
});

describe('the trace of a saga', function () {
  this.timeout(60_000);
  let recorder: SpanRecorder;
  let saga: SagaInProcess;
  beforeEach(async () => {
    recorder = new SpanRecorder();
    saga = await SagaInProcess.prepare(['a']);
    saga.tracing = (member) => recorder.tracing(member);
    await Promise.all(saga.members.map((member) => saga.boot(member)));
    await saga.ready('a');
    const put = (member: string, path: string, body: object) => saga.at(member).put(path, body);
    await put('payment-service', '/accounts/ann', { balance: 1_000 });
    await put('inventory-service', '/products/CUP', { name: 'Cup', unitPrice: 10, stock: 5 });
    await eventually(
      'the product to be for sale',
      () => saga.order('a').get('/products'),
      ({ text }) => text.includes('CUP'),
    );
  });
  afterEach(async () => {
    await saga.close();
    await recorder.close();
  });

  const place = async (deadlineMs = 60_000): Promise<string> => {
    const body = { userId: 'ann', items: [{ productId: 'CUP', qty: 1 }], deadlineMs };
    const answer = await saga.order('a').post('/orders', body);
    expect(answer.status, answer.text).to.equal(202);
    return (answer.body as { orderId: string }).orderId;
  };
  const tracesOf = (orderId: string): Set<string> => {
    const own = recorder.spans.filter((span) => attribute(span, 'messaging.message.conversation_id') === orderId);
    return new Set(own.map((span) => span.spanContext().traceId));
  };

  it('goes on when an event comes by reconciliation, since the broker has lost it', async () => {
    let lost = false;
    saga.holds = (message) => !lost && message.queue === 'payment-service' && isOf('order.placed')(message);
    const orderId = await place();
    await eventually(
      'the event to be held',
      async () => saga.held.size,
      (size) => size > 0,
    );
    lost = true;
    saga.held.clear();
    const [handled] = await recorder.until(handlePlaced);
    expect(attribute(handled, 'saga.fetched')).to.equal(true);
    await recorder.until('publish order.events:order.confirmed');
    expect(tracesOf(orderId).size).to.equal(1);
  });

  it('stays one when its deadline passes', async () => {
    saga.holds = isOf('payment.completed');
    const orderId = await place(200);
    await recorder.until('publish order.events:order.withdrawn');
    saga.holds = () => false;
    saga.release('order-service.a');
    saga.release('inventory-service');
    await recorder.until('publish order.events:order.cancelled');
    expect(tracesOf(orderId).size).to.equal(1);
  });

  it('leaves nothing in the database once the saga has ended', async () => {
    await place();
    await recorder.until('publish order.events:order.confirmed');
    expect(saga.order('a').stored()['saga_traces']).to.deep.equal([]);
  });
});

describe('tracing', () => {
  it('is on where an endpoint is set, unless it is switched off', () => {
    const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://localhost:4318' };
    expect(isTracingOn({})).to.equal(false);
    expect(isTracingOn({ OTEL_EXPORTER_OTLP_ENDPOINT: '' })).to.equal(false);
    expect(isTracingOn(endpoint)).to.equal(true);
    expect(isTracingOn({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://localhost:4318/v1/traces' })).to.equal(true);
    expect(isTracingOn({ ...endpoint, OTEL_SDK_DISABLED: 'true' })).to.equal(false);
    expect(isTracingOn({ ...endpoint, OTEL_TRACES_EXPORTER: 'none' })).to.equal(false);
  });

  it('gives nothing where it is off', async () => {
    expect(await startTracing({}, 'payment-service', silentLog, systemClock)).to.equal(undefined);
  });

  it('is not even loaded by a service that does not trace', () => {
    // prom-client brings the API along, which does nothing by itself.
    const script = `
      import Module from 'node:module';
      const loaded = () => Object.keys(Module._cache).filter((path) => /@opentelemetry.(?!api)/.test(path)).length;
      await import(${JSON.stringify(new URL('../../payment-service/program.js', import.meta.url).href)});
      await import(${JSON.stringify(new URL('../../shared/runtime/process/run-service.js', import.meta.url).href)});
      const before = loaded();
      await import(${JSON.stringify(new URL('../../shared/runtime/tracing/otlp-tracing.js', import.meta.url).href)});
      process.stdout.write(JSON.stringify([before, loaded() > 0]));`;
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      cwd: fileURLToPath(new URL('../../..', import.meta.url)),
      encoding: 'utf8',
    });
    expect(stdout, stderr).to.equal('[0,true]');
  });
});
