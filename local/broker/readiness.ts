// When a broker counts as there: an AMQP handshake succeeds. An open port is not enough (Docker's proxy listens at once).
import { setTimeout as delay } from 'node:timers/promises';
import { connect } from 'amqplib';
import { addressesIn } from '../../shared/runtime/environment/broker-addresses.ts';

const HANDSHAKE_TIMEOUT_MS = 2_000;
const BETWEEN_TRIES_MS = 50;
const PROGRESS_EVERY_MS = 2_000;

/**
 * "RabbitMQ 3.10.8", out of the handshake; of several addresses, the first that answers. Throws when there is none within
 * two seconds.
 */
export function handshake(url: string): Promise<string> {
  return Promise.any(addressesIn(url).map(handshakeAt)).catch((error: AggregateError) => {
    throw error.errors[0];
  });
}

async function handshakeAt(url: string): Promise<string> {
  const model = await connect(url, { timeout: HANDSHAKE_TIMEOUT_MS, noDelay: true });
  // without a listener an error of this short connection would end the process
  model.on('error', () => undefined);
  const { product, version } = model.connection.serverProperties;
  // a server that dies during the close must not spoil a handshake that had succeeded
  await model.close().catch(() => undefined);
  return `${String(product)} ${String(version)}`;
}

/** The broker ended before it was ready, or was not ready in time. */
export class NotReadyError extends Error {
  override name = 'NotReadyError';
}

export interface WaitOptions {
  readonly timeoutMs: number;
  readonly what: string;
  readonly progress: (line: string) => void;
  readonly signal: AbortSignal | undefined;
  /** Says why it is useless to wait any longer, or undefined. */
  readonly ended: () => string | undefined;
}

/** Waits for the handshake, with a line of progress at once and then every two seconds. Throws NotReadyError, or the signal's reason. */
export async function untilReady(url: string, options: WaitOptions): Promise<string> {
  options.progress(`${options.what} …`);
  const startedMs = Date.now();
  let nextProgressMs = PROGRESS_EVERY_MS;
  for (;;) {
    options.signal?.throwIfAborted();
    const ended = options.ended();
    if (ended !== undefined) throw new NotReadyError(ended);
    let last: unknown;
    try {
      return await handshake(url);
    } catch (error) {
      last = error;
    }
    const elapsedMs = Date.now() - startedMs;
    if (elapsedMs > options.timeoutMs) {
      throw new NotReadyError(
        `no AMQP handshake within ${options.timeoutMs / 1000} s (${last instanceof Error ? last.message : String(last)})`,
      );
    }
    if (elapsedMs >= nextProgressMs) {
      options.progress(`${options.what} (${Math.round(elapsedMs / 1000)} s)`);
      nextProgressMs += PROGRESS_EVERY_MS;
    }
    await delay(BETWEEN_TRIES_MS);
  }
}
