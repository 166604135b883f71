// Virtual hosts: the names in one collide with nobody's.
import { addressesIn } from '../../shared/runtime/environment/broker-addresses.ts';
import type { Broker } from './start-broker.ts';

/** Creates a virtual host for the broker's user. It may exist already. Returns its AMQP URL; of a cluster, that of every node. */
export async function createVirtualHost(broker: Broker, name: string): Promise<string> {
  const urls = addressesIn(broker.url).map((address) => new URL(address));
  const user = decodeURIComponent(urls[0]?.username ?? '') || 'guest';
  await broker.rabbitmqctl(['add_vhost', name]);
  await broker.rabbitmqctl(['set_permissions', '-p', name, user, '.*', '.*', '.*']);
  for (const url of urls) url.pathname = `/${encodeURIComponent(name)}`;
  return urls.map(({ href }) => href).join(',');
}
