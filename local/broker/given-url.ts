// A broker that somebody else runs: AMQP_URL. Nothing is started, nothing is ended.
import { untilAborted } from './aborted.ts';
import { NotReadyError, untilReady } from './readiness.ts';
import { type Broker, refuseCluster, SourceUnavailableError, type StartContext } from './source.ts';

const ANSWER_TIMEOUT_MS = 10_000;

/** Throws SourceUnavailableError when nothing answers there within ten seconds. */
export async function useGivenUrl(context: StartContext): Promise<Broker> {
  refuseCluster(context, 'AMQP_URL names a broker that runs already; leave it unset');
  const url = process.env['AMQP_URL'];
  if (url === undefined || url === '') throw new SourceUnavailableError('AMQP_URL is not set');
  const shown = withoutPassword(url);
  try {
    const product = await untilReady(url, {
      timeoutMs: ANSWER_TIMEOUT_MS,
      what: `waiting for ${shown}`,
      progress: context.progress,
      signal: context.signal,
      ended: () => undefined,
    });
    return new GivenBroker(url, `${product}, ${shown}`);
  } catch (error) {
    if (!(error instanceof NotReadyError)) throw error;
    throw new SourceUnavailableError(`AMQP_URL=${shown}: ${error.message}`);
  }
}

class GivenBroker implements Broker {
  readonly source = 'url';
  readonly url: string;
  readonly description: string;

  constructor(url: string, description: string) {
    this.url = url;
    this.description = description;
  }

  async stop(): Promise<void> {}

  async kill(): Promise<void> {
    notOurs('killed');
  }

  async restart(): Promise<void> {
    notOurs('restarted');
  }

  async wipe(): Promise<void> {
    notOurs('wiped');
  }

  ended(signal: AbortSignal): Promise<string> {
    return untilAborted(signal);
  }

  pause(): void {
    notOurs('paused');
  }

  resume(): void {
    notOurs('resumed');
  }

  async rabbitmqctl(): Promise<string> {
    return notOurs('administered');
  }
}

function notOurs(what: string): never {
  throw new Error(
    `the broker of AMQP_URL was not started here and cannot be ${what} from here (leave AMQP_URL unset to get a private one)`,
  );
}

function withoutPassword(url: string): string {
  return url.replace(/:[^:@/]*@/g, ':***@');
}
