// Stands between the services and the broker, and cuts a connection at the moment at which the broker delivers.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** Class and method number of basic.deliver, as AMQP 0-9-1 writes them. */
const basicDeliver = Buffer.from([0, 60, 0, 60]);

interface Connection {
  readonly client: Socket;
  readonly broker: Socket;
  /** The client properties, with the connection's name, are in the first frames. */
  firstBytes: Buffer;
}

export class BrokerProxy {
  readonly #server: Server;
  readonly #connections = new Set<Connection>();
  /** Called for what the broker sends. */
  #onDelivery: ((connection: Connection) => void) | undefined;

  private constructor(brokerUrl: string) {
    const { hostname, port } = new URL(brokerUrl);
    this.#server = createServer((client) => this.#accept(client, connect(Number(port) || 5672, hostname)));
  }

  static async start(brokerUrl: string): Promise<BrokerProxy> {
    const proxy = new BrokerProxy(brokerUrl);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  /** The URL of a virtual host of the broker, by way of this proxy. */
  urlFor(brokerUrl: string, virtualHost: string): string {
    const url = new URL(brokerUrl);
    url.hostname = '127.0.0.1';
    url.port = String((this.#server.address() as AddressInfo).port);
    url.pathname = `/${encodeURIComponent(virtualHost)}`;
    return url.href;
  }

  /** Resolves when the broker next delivers something to the connection of that name. */
  delivery(name: string): Promise<void> {
    return new Promise((resolve) => {
      this.#onDelivery = (connection) => {
        if (!connection.firstBytes.includes(name)) return;
        this.#onDelivery = undefined;
        resolve();
      };
    });
  }

  /**
   * Cuts the connection of that name so many times, each time when the broker has delivered something to it.
   * @param name as RabbitMQ shows it: `payment-service consumer`
   */
  cutAtDelivery(name: string, times: number): Promise<void> {
    let left = times;
    return new Promise((resolve) => {
      this.#onDelivery = (connection) => {
        if (!connection.firstBytes.includes(name)) return;
        end(connection);
        left -= 1;
        if (left > 0) return;
        this.#onDelivery = undefined;
        resolve();
      };
    });
  }

  /** Cuts every connection. */
  cutAll(): void {
    for (const connection of this.#connections) end(connection);
  }

  async stop(): Promise<void> {
    this.#onDelivery = undefined;
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const connection of this.#connections) end(connection);
    await closed;
  }

  #accept(client: Socket, broker: Socket): void {
    const connection: Connection = { client, broker, firstBytes: Buffer.alloc(0) };
    this.#connections.add(connection);
    for (const socket of [client, broker]) {
      socket.setNoDelay(true);
      socket.on('error', () => end(connection));
      socket.on('close', () => {
        this.#connections.delete(connection);
        end(connection);
      });
    }
    client.on('data', (bytes) => {
      if (connection.firstBytes.length < 4_096) connection.firstBytes = Buffer.concat([connection.firstBytes, bytes]);
    });
    client.pipe(broker);
    broker.pipe(client);
    broker.on('data', (bytes) => {
      if (bytes.includes(basicDeliver)) this.#onDelivery?.(connection);
    });
  }
}

function end({ client, broker }: Connection): void {
  client.destroy();
  broker.destroy();
}
