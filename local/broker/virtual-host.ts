// Virtual hosts: the names in one collide with nobody's.
import type { Broker } from './start-broker.ts';

/** Creates a virtual host for the broker's user. It may exist already. Returns its AMQP URL. */
export async function createVirtualHost(broker: Broker, name: string): Promise<string> {
  const url = new URL(broker.url);
  const user = decodeURIComponent(url.username) || 'guest';
  await broker.rabbitmqctl(['add_vhost', name]);
  await broker.rabbitmqctl(['set_permissions', '-p', name, user, '.*', '.*', '.*']);
  url.pathname = `/${encodeURIComponent(name)}`;
  return url.href;
}
