// A broker that does what a test tells it to, over real sockets: it confirms or not, blocks, goes silent in the middle of
// a setup, closes a channel, goes away. It keeps no messages.
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer, type Server, type Socket } from 'node:net';
import { type Content, encode, type Fields, heartbeat, type Method, MethodReader } from './amqp-wire.ts';
import { eventually } from './wait.ts';

/** The client gives a connection up that has been silent for twice the ten seconds it asks for. */
const heartbeatMs = 3_000;

/** What the broker answers to a method, unless the test has it do otherwise. */
const answers: Readonly<Record<string, (broker: ScriptedBroker, method: Method) => readonly [string, Fields]>> = {
  ChannelOpen: () => ['ChannelOpenOk', {}],
  ChannelClose: () => ['ChannelCloseOk', {}],
  ConfirmSelect: () => ['ConfirmSelectOk', {}],
  ExchangeDeclare: () => ['ExchangeDeclareOk', {}],
  QueueDeclare: (broker, { fields }) => ['QueueDeclareOk', broker.stateOf(String(fields['queue']))],
  QueueBind: () => ['QueueBindOk', {}],
  BasicQos: () => ['BasicQosOk', {}],
  BasicConsume: (_, { fields }) => ['BasicConsumeOk', { consumerTag: fields['consumerTag'] || 'a-consumer' }],
  BasicCancel: (_, { fields }) => ['BasicCancelOk', { consumerTag: fields['consumerTag'] }],
  ConnectionClose: () => ['ConnectionCloseOk', {}],
};

/** Why a broker ends a channel. */
export interface Refusal {
  readonly replyCode: number;
  readonly replyText: string;
}

/** A message as it was published, with the number that its confirm has to name. */
export interface Received {
  readonly tag: number;
  readonly fields: Fields;
  readonly properties: Fields;
  readonly body: Buffer;
}

export class ScriptedBroker {
  /** Every connection that has got through its handshake, oldest first. */
  readonly connections: PeerConnection[] = [];
  /** How often somebody has connected, also in vain. */
  attempts = 0;
  /** Changes whenever somebody connects, goes, or something is sent either way. */
  activity = 0;
  /** False: whoever connects is cut off at once. */
  present = true;
  /** Methods that it never answers. */
  readonly mute = new Set<string>();
  /** Set: it closes the channel of every such method with that. */
  refuses: { readonly method: string; readonly queue?: string; readonly with: Refusal } | undefined;
  /** Called for every method, before it is answered. */
  onMethod: ((method: Method, connection: PeerConnection) => void) | undefined;
  readonly #queues = new Map<string, { messageCount: number; consumerCount: number }>();
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
    server.on('connection', (socket) => this.#accept(socket));
  }

  static async start(): Promise<ScriptedBroker> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new ScriptedBroker(server);
  }

  get url(): string {
    return `amqp://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** What it says of a queue when that is declared. */
  setQueue(name: string, state: { messageCount?: number; consumerCount?: number }): void {
    this.#queues.set(name, { messageCount: 0, consumerCount: 1, ...state });
  }

  stateOf(queue: string): Fields {
    return { messageCount: 0, consumerCount: 1, ...this.#queues.get(queue), queue };
  }

  /** The open connection of this kind, as soon as the client has finished its setup: the last method of that is named. */
  connection(kind: 'publisher' | 'consumer', setUpEndsWith?: string): Promise<PeerConnection> {
    const last = setUpEndsWith ?? (kind === 'consumer' ? 'BasicConsume' : 'QueueBind');
    return eventually(`the ${kind} to be set up`, () =>
      this.connections.find((connection) => connection.is(kind) && connection.open && connection.has(last)),
    ) as Promise<PeerConnection>;
  }

  /** Goes away: cuts everybody off, and refuses whoever comes. */
  leave(): void {
    this.present = false;
    for (const socket of this.#sockets) socket.destroy();
  }

  async stop(): Promise<void> {
    this.leave();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #accept(socket: Socket): void {
    this.attempts += 1;
    this.activity += 1;
    socket.on('data', () => {
      this.activity += 1;
    });
    // The client may go at any moment.
    socket.on('error', () => {});
    if (!this.present) return void socket.destroy();
    socket.setNoDelay(true);
    this.#sockets.add(socket);
    const connection = new PeerConnection(this, socket);
    socket.on('close', () => {
      this.activity += 1;
      this.#sockets.delete(socket);
      connection.ended();
    });
  }

  /** Answers a method of a connection that is open. */
  answer(connection: PeerConnection, method: Method): void {
    this.onMethod?.(method, connection);
    if (this.mute.has(method.name)) return;
    const { refuses } = this;
    const { channel, fields } = method;
    if (refuses?.method === method.name && (refuses.queue === undefined || refuses.queue === fields['queue'])) {
      return connection.closeChannel(channel, refuses.with);
    }
    const [name, reply] = answers[method.name]?.(this, method) ?? [];
    if (name !== undefined && reply !== undefined) connection.send(name, channel, reply);
  }
}

/** A client's connection, as the broker sees it. */
export class PeerConnection {
  readonly #broker: ScriptedBroker;
  readonly #socket: Socket;
  /** Every method that came, without the handshake. */
  readonly methods: Method[] = [];
  /** Every message that was published over it. */
  readonly published: Received[] = [];
  /** What the client has asked for. */
  heartbeat: unknown;
  open = true;
  #name = '';
  #deliveryTag = 0;
  #heartbeats: NodeJS.Timeout | undefined;

  constructor(broker: ScriptedBroker, socket: Socket) {
    this.#broker = broker;
    this.#socket = socket;
    const reader = new MethodReader((method) => this.#take(method));
    socket.on('data', (bytes: Buffer) => reader.push(bytes));
  }

  is(kind: string): boolean {
    return this.#name.endsWith(` ${kind}`);
  }

  get name(): string {
    return this.#name;
  }

  has(name: string): boolean {
    return this.methods.some((method) => method.name === name);
  }

  all(name: string): Method[] {
    return this.methods.filter((method) => method.name === name);
  }

  /** Resolves with the first method of this name that satisfies `good`. */
  method(name: string, good: (fields: Fields) => boolean = () => true): Promise<Method> {
    return eventually(`${name} of the ${this.#name}`, () =>
      this.all(name).find(({ fields }) => good(fields)),
    ) as Promise<Method>;
  }

  /** Resolves with the messages, once there are so many. */
  messages(count: number): Promise<readonly Received[]> {
    return eventually(
      `${count} messages`,
      () => this.published,
      ({ length }) => length >= count,
    );
  }

  confirm(tag: number, multiple = false): void {
    this.send('BasicAck', this.#channelOf('ConfirmSelect'), { deliveryTag: tag, multiple });
  }

  nack(tag: number, multiple = false): void {
    this.send('BasicNack', this.#channelOf('ConfirmSelect'), { deliveryTag: tag, multiple, requeue: false });
  }

  /** No queue is bound for it. The confirm follows on its own. */
  giveBack({ fields, properties, body }: Received): void {
    const { exchange, routingKey } = fields;
    const why = { replyCode: 312, replyText: 'NO_ROUTE', exchange, routingKey };
    this.send('BasicReturn', this.#channelOf('ConfirmSelect'), why, { properties, body });
  }

  /** Delivers to the service's own consumer. Returns the number that the ack has to name. */
  deliver(body: string, properties: Fields = {}, redelivered = false): number {
    this.#deliveryTag += 1;
    const { channel } = this.#consume();
    const fields = { consumerTag: this.consumerTag, deliveryTag: this.#deliveryTag, redelivered };
    const route = { exchange: 'order.events', routingKey: 'order.placed' };
    this.send('BasicDeliver', channel, { ...fields, ...route }, { properties, body: Buffer.from(body) });
    return this.#deliveryTag;
  }

  get consumerTag(): unknown {
    return this.#consume().fields['consumerTag'] || 'a-consumer';
  }

  /** The queue that is consumed is gone. */
  cancelConsumer(queue?: string): void {
    const { channel, fields } = this.#consume(queue);
    this.send('BasicCancel', channel, { consumerTag: fields['consumerTag'] || 'a-consumer', nowait: true });
  }

  block(): void {
    this.send('ConnectionBlocked', 0, { reason: 'low on memory' });
  }

  unblock(): void {
    this.send('ConnectionUnblocked', 0, {});
  }

  closeChannel(channel: number, { replyCode, replyText }: Refusal): void {
    this.send('ChannelClose', channel, { replyCode, replyText, classId: 0, methodId: 0 });
  }

  /** An orderly close by the broker, as when an administrator closes the connection. */
  close(): void {
    const replyText = 'CONNECTION_FORCED - closed via management';
    this.send('ConnectionClose', 0, { replyCode: 320, replyText, classId: 0, methodId: 0 });
  }

  /** The line breaks. What the client had sent until then has arrived. */
  cut(): void {
    this.#socket.destroy();
  }

  ended(): void {
    this.open = false;
    clearInterval(this.#heartbeats);
  }

  send(name: string, channel: number, fields: Fields, content?: Content): void {
    if (!this.#socket.writable) return;
    this.#broker.activity += 1;
    this.#socket.write(encode({ name, channel, fields, ...(content ? { content } : {}) }));
  }

  #channelOf(name: string): number {
    return this.all(name)[0]?.channel ?? 0;
  }

  /** The consumer of the service's queue; the one beside it holds the queue for its database. */
  #consume(queue?: string): Method {
    const found = this.all('BasicConsume').find(({ fields }) =>
      queue === undefined ? !String(fields['queue']).endsWith('.owner') : fields['queue'] === queue,
    );
    if (!found) throw new Error(`the ${this.#name} does not consume ${queue ?? 'its queue'}`);
    return found;
  }

  #take(method: Method): void {
    const { name, fields } = method;
    if (name === 'ProtocolHeader') {
      const serverProperties = { capabilities: { 'connection.blocked': true, publisher_confirms: true } };
      return this.send('ConnectionStart', 0, {
        serverProperties,
        mechanisms: Buffer.from('PLAIN'),
        locales: Buffer.from('en_US'),
      });
    }
    if (name === 'ConnectionStartOk') {
      const { connection_name: given } = fields['clientProperties'] as { connection_name?: string };
      this.#name = given ?? '';
      if (this.#broker.mute.has('ConnectionTune')) return;
      return this.send('ConnectionTune', 0, { channelMax: 2_047, frameMax: 131_072, heartbeat: 60 });
    }
    if (name === 'ConnectionTuneOk') {
      this.heartbeat = fields['heartbeat'];
      return;
    }
    if (name === 'ConnectionOpen') {
      this.#heartbeats = setInterval(() => this.#socket.writable && this.#socket.write(heartbeat), heartbeatMs).unref();
      this.#broker.connections.push(this);
      return this.send('ConnectionOpenOk', 0, {});
    }
    this.methods.push(method);
    if (name === 'BasicPublish' && method.content) {
      this.published.push({ tag: this.published.length + 1, fields, ...method.content });
    }
    this.#broker.answer(this, method);
    if (name === 'ConnectionClose' && !this.#broker.mute.has(name)) this.#socket.end();
  }
}
