// Traces of real processes over a real RabbitMQ, as a collector gets them.
import { expect } from 'chai';
import { OtlpReceiver, orderIdAttribute, type ReceivedSpan } from '../support/otlp-receiver.ts';
import { http, type OrderView, SagaSystem } from '../support/saga-system.ts';
import { eventually } from '../support/wait.ts';

/** In microseconds: the span of a commit is timed by the wall clock, which is no finer. */
const millisecond = 1_000;
const services = ['order-service', 'payment-service', 'inventory-service'];

/** `payment-service: handle order.placed`, without what every span of a kind has. */
function shortNames(spans: readonly ReceivedSpan[]): string[] {
  const events = spans.filter(({ name }) => name !== 'commit');
  return events.map(({ service, name }) => `${service}: ${name.replace(/ \w+\.events:([^:]+)(?::.*)?$/, ' $1')}`);
}

function expectWhole(spans: readonly ReceivedSpan[], outside: string | undefined): void {
  const ids = new Set(spans.map(({ spanId }) => spanId));
  const roots = spans.filter(({ parentSpanId }) => !parentSpanId || !ids.has(parentSpanId));
  expect(roots.map(({ name }) => name)).to.deep.equal(['POST /orders']);
  expect(roots[0]?.parentSpanId || undefined).to.equal(outside);
}

describe('traces', function () {
  this.timeout(240_000);
  let receiver: OtlpReceiver;
  let system: SagaSystem;

  before(async () => {
    receiver = await OtlpReceiver.start();
    system = await SagaSystem.start({
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint,
      OTEL_BSP_SCHEDULE_DELAY: '50',
      OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test',
      ORDER_DEADLINE_MS: '60000',
    });
    await system.account('rich', 1_000_000);
    await system.product('CUP', 1_000, 100);
  });
  after(async () => {
    await system?.stop();
    await receiver?.close();
  });

  describe('of an order that nobody has in stock, and that is rolled back', () => {
    let orderId: string;
    let spans: ReceivedSpan[];
    const outside = { trace: '4bf92f3577b34da6a3ce929d0e0e4736', span: '00f067aa0ba902b7' };

    const handledLines = () =>
      system.logLines
        .flatMap((line) => (line.startsWith('{') ? [JSON.parse(line) as Record<string, unknown>] : []))
        .filter((line) => line['msg'] === 'handled' && line['subject'] === orderId);

    before(async () => {
      const headers = { traceparent: `00-${outside.trace}-${outside.span}-01`, tracestate: 'shop=basket' };
      ({ orderId } = await system.place('rich', [{ productId: 'CUP', qty: 1_000 }], headers));
      expect((await system.ended(orderId)).reason).to.equal('out_of_stock');
      await system.knows(orderId, 'payment.refunded');
      // The request, five events published, six handlings; and a commit for each handling and for the request.
      spans = await receiver.saga(orderId, 19);
    });

    it('are one trace across three services, the compensation included, and it is the trace of the request', () => {
      expect(receiver.traceIds(orderId)).to.deep.equal(new Set([outside.trace]));
      expect(new Set(spans.map(({ service }) => service))).to.deep.equal(new Set(services));
      expectWhole(spans, outside.span);
    });

    it('have a span for the request, for each event that is published, and for each time that one is handled', () => {
      expect(shortNames(spans)).to.have.members([
        'order-service: POST /orders',
        'order-service: publish order.placed',
        'payment-service: handle order.placed',
        'payment-service: publish payment.completed',
        'inventory-service: handle payment.completed',
        'order-service: handle payment.completed',
        'inventory-service: publish inventory.rejected',
        'payment-service: handle inventory.rejected',
        'order-service: handle inventory.rejected',
        'payment-service: publish payment.refunded',
        'order-service: handle payment.refunded',
        'order-service: publish order.cancelled',
      ]);
    });

    it('hang together as the events do: what follows from an event is below the span that handled it', () => {
      const refund = spans.find(({ name }) => name.startsWith('publish payment.events:payment.refunded'));
      const path: string[] = [];
      for (let at = refund; at; ) {
        path.push(...shortNames([at]));
        const { parentSpanId } = at;
        at = spans.find(({ spanId }) => spanId === parentSpanId);
      }
      expect(path).to.deep.equal([
        'payment-service: publish payment.refunded',
        'payment-service: handle inventory.rejected',
        'inventory-service: handle payment.completed',
        'payment-service: handle order.placed',
        'order-service: POST /orders',
      ]);
    });

    it('end a handling after its commit, and a publish with its confirm', () => {
      const handled = spans.filter(({ name }) => name.startsWith('handle '));
      for (const { name, spanId, endTimeUnixNano: endedAt } of handled) {
        const commit = spans.find((span) => span.name === 'commit' && span.parentSpanId === spanId);
        expect(commit?.endTimeUnixNano, `the end of the commit of ${name}`).to.be.at.most(endedAt + millisecond);
      }
      const published = spans.filter(({ name }) => name.startsWith('publish '));
      for (const { attributes } of published) expect(attributes.get('saga.outcome')).to.equal('confirmed');
    });

    it('carry what the conventions for messaging ask for, and no word of the customer', () => {
      const handled = spans.find(({ name }) => name === 'handle order.events:order.placed:payment-service');
      expect(Object.fromEntries(handled?.attributes ?? [])).to.deep.include({
        'messaging.system': 'rabbitmq',
        'messaging.operation.name': 'handle',
        'messaging.operation.type': 'process',
        'messaging.destination.name': 'order.events:order.placed:payment-service',
        'messaging.rabbitmq.destination.routing_key': 'order.placed',
        [orderIdAttribute]: orderId,
        'saga.outcome': 'payment.completed',
      });
      expect(handled?.attributes.get('messaging.message.id')).to.match(/^[0-9a-f-]{36}$/);
      expect(handled?.kind, 'CONSUMER').to.equal(5);
      expect(handled?.traceState).to.equal('shop=basket');
      expect(handled?.resource.get('deployment.environment.name')).to.equal('test');
      for (const { attributes, name } of spans) expect(`${name} ${[...attributes.values()]}`).to.not.include('rich');
    });

    it('are named, with the order, in the log', async () => {
      // What a process writes is not read at once.
      const handled = await eventually('a line for each handling', handledLines, ({ length }) => length >= 6);
      expect(handled.length).to.equal(6);
      for (const line of handled) expect(line['trace_id'], String(line['event'])).to.equal(outside.trace);
    });
  });

  it('of an order that its customer cancels stay one, and the trace of the cancel request links to it', async () => {
    await system.payment.stop();
    const { orderId } = await system.place('rich', [{ productId: 'CUP', qty: 1 }]);
    const cancel = '0af7651916cd43dd8448eb211c80319c';
    const { status } = await http<OrderView>('POST', `${system.order.url}/orders/${orderId}/cancel`, undefined, {
      traceparent: `00-${cancel}-b7ad6b7169203331-01`,
    });
    expect(status).to.equal(202);
    await system.payment.start();
    expect((await system.ended(orderId)).reason).to.equal('customer');
    const isRequest = ({ name }: ReceivedSpan) => name === 'POST /orders/:orderId/cancel';
    const requests = await receiver.trace(cancel, (spans) => spans.some(isRequest));
    const [linked] = requests.find(isRequest)?.links ?? [];
    const expected = [
      'order-service: POST /orders',
      'order-service: publish order.withdrawn',
      'payment-service: handle order.withdrawn',
      'inventory-service: handle order.withdrawn',
      'order-service: publish order.cancelled',
    ];
    // Three processes send theirs in batches, each in its own time.
    await receiver.trace(linked?.traceId ?? '', (spans) => {
      const names = shortNames(spans);
      return expected.every((name) => names.includes(name));
    });
  });
});
