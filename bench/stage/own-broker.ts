// The benchmark's own RabbitMQ: a private node where that is possible, since Docker's network and file system would be
// measured with it. Each target has a virtual host of its own, so that names and arguments can be the same.
import { type Broker, BrokerUnavailableError, startBroker } from '../../local/broker/start-broker.ts';
import { descendantsOf, erlangMachines } from './process-figures.ts';

export interface OwnBroker {
  readonly broker: Broker;
  /** Its processes; empty where they are unknown. */
  readonly pids: readonly number[];
  /** URL of a virtual host, which is created on first use. */
  vhost(name: string): Promise<string>;
}

/** @throws BrokerUnavailableError when there is no source for one */
export async function startOwnBroker(progress: (line: string) => void, signal: AbortSignal): Promise<OwnBroker> {
  const machinesBefore = new Set(erlangMachines());
  const childrenBefore = new Set(descendantsOf(process.pid));
  const broker = await startAny(progress, signal);
  // A container's processes are not our children. If exactly one Erlang machine is new, it is the broker's.
  const own = descendantsOf(process.pid).filter((pid) => !childrenBefore.has(pid));
  const fresh = erlangMachines().filter((pid) => !machinesBefore.has(pid));
  const isOurs = broker.source !== 'docker' && fresh.some((pid) => own.includes(pid));
  const pids = isOurs ? own : fresh.length === 1 ? fresh : [];
  const made = new Map<string, Promise<string>>();
  return {
    broker,
    pids,
    vhost: (name) => {
      const known = made.get(name) ?? makeVhost(broker, name);
      made.set(name, known);
      return known;
    },
  };
}

async function startAny(progress: (line: string) => void, signal: AbortSignal): Promise<Broker> {
  // A broker that runs already may hold messages of others, and its processor time would include theirs.
  delete process.env['AMQP_URL'];
  const wanted = process.env['BROKER_SOURCE'];
  if (wanted === 'url')
    throw new BrokerUnavailableError('the benchmark needs a broker of its own: not BROKER_SOURCE=url');
  if (wanted) return startBroker({ progress, signal });
  try {
    for (const source of ['installed', 'debian', 'docker']) {
      process.env['BROKER_SOURCE'] = source;
      try {
        return await startBroker({ progress, signal });
      } catch (error) {
        if (!(error instanceof BrokerUnavailableError)) throw error;
        progress(`no broker from source '${source}'`);
      }
    }
  } finally {
    delete process.env['BROKER_SOURCE'];
  }
  // With the explanation of all sources.
  return startBroker({ progress, signal });
}

async function makeVhost(broker: Broker, name: string): Promise<string> {
  const url = new URL(broker.url);
  const user = decodeURIComponent(url.username) || 'guest';
  await broker.rabbitmqctl(['add_vhost', name]);
  await broker.rabbitmqctl(['set_permissions', '-p', name, user, '.*', '.*', '.*']);
  url.pathname = `/${encodeURIComponent(name)}`;
  return url.href;
}
