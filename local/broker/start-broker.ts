// A real RabbitMQ: the one of AMQP_URL, the one that is installed, one in Docker, or Debian's own packages unpacked.
// Whatever is started here ends with stop(), and with this process, however that ends.

import { DataFolderInUseError } from './data-folder.ts';
import { startFromDebianPackages } from './debian-packages.ts';
import { startDocker } from './docker.ts';
import { useGivenUrl } from './given-url.ts';
import { startInstalled } from './installed.ts';
import {
  BROKER_SOURCES,
  type Broker,
  BrokerSettingError,
  type BrokerSource,
  BrokerUnavailableError,
  SourceUnavailableError,
  type StartBrokerOptions,
  type StartContext,
} from './source.ts';

export {
  type Broker,
  type BrokerNode,
  BrokerSettingError,
  type BrokerSource,
  BrokerUnavailableError,
  type StartBrokerOptions,
} from './source.ts';

interface Source {
  readonly start: (context: StartContext) => Promise<Broker>;
  readonly whatToDo: string;
}

const SOURCES: Readonly<Record<BrokerSource, Source>> = {
  url: {
    start: useGivenUrl,
    whatToDo: 'set AMQP_URL to a running RabbitMQ (3.10 or later): amqp://user:password@host:5672',
  },
  installed: {
    start: startInstalled,
    whatToDo:
      'install RabbitMQ (apt install rabbitmq-server, brew install rabbitmq), or set RABBITMQ_SERVER to its rabbitmq-server script',
  },
  docker: {
    start: startDocker,
    whatToDo: 'install Docker and start its daemon (BROKER_IMAGE names an image other than rabbitmq:4-management)',
  },
  debian: {
    start: startFromDebianPackages,
    whatToDo: 'on Debian or Ubuntu, give apt-get access to its package sources (needed once; nothing is installed)',
  },
};

/**
 * Gives a broker that answers. Takes the first source that works: AMQP_URL (and then only that one), an installed
 * rabbitmq-server, Docker, Debian's packages. BROKER_SOURCE names one of them and leaves the others out.
 *
 * Throws BrokerUnavailableError when there is none, BrokerSettingError for an unknown BROKER_SOURCE, and the signal's reason.
 */
export async function startBroker(options: StartBrokerOptions = {}): Promise<Broker> {
  const { dataDir, logFile, progress = () => undefined, signal, nodes = 1 } = options;
  const context: StartContext = { dataDir, logFile, progress, signal, nodes };
  const failures: { source: BrokerSource; reason: string }[] = [];
  for (const source of sourcesToTry()) {
    signal?.throwIfAborted();
    try {
      return await SOURCES[source].start(context);
    } catch (error) {
      // the next source would run into the same folder
      if (error instanceof DataFolderInUseError) throw new BrokerUnavailableError(error.message, { cause: error });
      if (!(error instanceof SourceUnavailableError)) throw error;
      failures.push({ source, reason: error.message });
      progress(`${source}: ${error.message}`);
    }
  }
  throw new BrokerUnavailableError(explain(failures));
}

function sourcesToTry(): readonly BrokerSource[] {
  const forced = process.env['BROKER_SOURCE'];
  if (forced !== undefined && forced !== '') {
    const known = BROKER_SOURCES.find((source) => source === forced);
    if (known === undefined) {
      throw new BrokerSettingError(
        `BROKER_SOURCE=${forced} is unknown: it must be one of ${BROKER_SOURCES.join(', ')}, or unset`,
      );
    }
    return [known];
  }
  // whoever names a broker wants that one: a private one in its place would hide that it is down
  return process.env['AMQP_URL'] ? ['url'] : ['installed', 'docker', 'debian'];
}

function explain(failures: readonly { source: BrokerSource; reason: string }[]): string {
  const forced = process.env['BROKER_SOURCE'];
  const width = Math.max(...BROKER_SOURCES.map((source) => source.length));
  return [
    `no RabbitMQ is available here${forced ? ` (BROKER_SOURCE=${forced} allows no other source)` : ''}. Tried:`,
    ...failures.map(({ source, reason }) => `  ${source.padEnd(width)}  ${reason}`),
    'Any one of these will help:',
    ...BROKER_SOURCES.map((source) => `  - ${SOURCES[source].whatToDo}`),
  ].join('\n');
}
