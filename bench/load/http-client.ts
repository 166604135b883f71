// A very cheap HTTP/1.1 client for one kind of request: keep-alive sockets, one request at a time on each, requests as
// ready-made bytes. The load generator shares two cores with what it measures, and Node's own client costs ten times more.
import { connect, type Socket } from 'node:net';

/** Status 0: the connection ended before the answer. */
export type Answered = (status: number, body: string) => void;

interface Connection {
  readonly socket: Socket;
  waiting: Answered | undefined;
  received: string;
}

export class HttpClient {
  readonly #port: number;
  readonly #connectionsMax: number;
  readonly #idle: Connection[] = [];
  readonly #all = new Set<Connection>();
  /** Requests for which there was no free connection, oldest first. */
  #queue: { readonly request: string; readonly answered: Answered }[] = [];

  constructor(port: number, connectionsMax: number) {
    this.#port = port;
    this.#connectionsMax = connectionsMax;
  }

  send(request: string, answered: Answered): void {
    const connection = this.#idle.pop() ?? this.#open();
    if (connection) this.#write(connection, request, answered);
    else if (this.#queue.length < this.#connectionsMax) this.#queue.push({ request, answered });
    // Whoever offers far more than is taken must not pile it up either.
    else setImmediate(answered, 0, '');
  }

  #open(): Connection | undefined {
    if (this.#all.size >= this.#connectionsMax) return undefined;
    const socket = connect({ port: this.#port, host: '127.0.0.1', noDelay: true });
    const connection: Connection = { socket, waiting: undefined, received: '' };
    this.#all.add(connection);
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => this.#received(connection, text));
    socket.on('error', () => {});
    socket.on('close', () => this.#closed(connection));
    return connection;
  }

  #write(connection: Connection, request: string, answered: Answered): void {
    connection.waiting = answered;
    connection.socket.write(request, 'latin1');
  }

  #received(connection: Connection, text: string): void {
    connection.received += text;
    const answer = answerIn(connection.received);
    if (!answer) return;
    const answered = connection.waiting;
    connection.received = connection.received.slice(answer.length);
    connection.waiting = undefined;
    const next = this.#queue.shift();
    if (next) this.#write(connection, next.request, next.answered);
    else this.#idle.push(connection);
    answered?.(answer.status, answer.body);
  }

  #closed(connection: Connection): void {
    this.#all.delete(connection);
    const index = this.#idle.indexOf(connection);
    if (index >= 0) this.#idle.splice(index, 1);
    connection.waiting?.(0, '');
    const next = this.#queue.shift();
    if (next) this.send(next.request, next.answered);
  }
}

/** The first answer in what a connection has received; undefined while it is incomplete. */
export function answerIn(
  text: string,
): { readonly status: number; readonly body: string; readonly length: number } | undefined {
  const headEnd = text.indexOf('\r\n\r\n');
  if (headEnd < 0) return undefined;
  const length = /\r\ncontent-length: *(\d+)/i.exec(text.slice(0, headEnd))?.[1];
  if (length === undefined) throw new Error(`an answer without content-length: ${text.slice(0, headEnd)}`);
  const end = headEnd + 4 + Number(length);
  if (text.length < end) return undefined;
  return { status: Number(text.slice(9, 12)), body: text.slice(headEnd + 4, end), length: end };
}

/** A POST with a JSON body as the bytes that go over the wire; ASCII only. */
export function postRequest(path: string, body: unknown): string {
  const json = JSON.stringify(body);
  return (
    `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n` +
    `content-length: ${json.length}\r\n\r\n${json}`
  );
}
