// A rabbitmq-server that somebody has installed on this machine.
import { join } from 'node:path';
import { findExecutable } from './command.ts';
import { type Installation, installationAt, scriptsBehind } from './installation.ts';
import { startPrivateBroker } from './private-broker.ts';
import { type Broker, SourceUnavailableError, type StartContext } from './source.ts';

// The one on the PATH of Debian and of the RPM is a wrapper that changes to the user rabbitmq, or refuses; these are the scripts behind it.
const USUAL_PLACES = [
  '/usr/lib/rabbitmq/bin',
  '/opt/homebrew/opt/rabbitmq/sbin',
  '/usr/local/opt/rabbitmq/sbin',
  '/home/linuxbrew/.linuxbrew/opt/rabbitmq/sbin',
  '/opt/rabbitmq/sbin',
];

export async function startInstalled(context: StartContext): Promise<Broker> {
  return startPrivateBroker('installed', findInstalled(), context);
}

/** Throws SourceUnavailableError. RABBITMQ_SERVER, where set, is the only place looked at. */
function findInstalled(): Installation {
  const given = process.env['RABBITMQ_SERVER'];
  if (given !== undefined && given !== '') {
    const scripts = scriptsBehind(given) ?? scriptsBehind(join(given, 'sbin', 'rabbitmq-server'));
    if (scripts === undefined)
      throw new SourceUnavailableError(`RABBITMQ_SERVER=${given} is no RabbitMQ's rabbitmq-server`);
    return installationAt(scripts);
  }
  for (const place of USUAL_PLACES) {
    const scripts = scriptsBehind(join(place, 'rabbitmq-server'));
    if (scripts !== undefined) return installationAt(scripts);
  }
  const onPath = findExecutable('rabbitmq-server', `${process.env['PATH'] ?? ''}:/usr/local/sbin:/usr/sbin`);
  const scripts = onPath === undefined ? undefined : scriptsBehind(onPath);
  if (scripts !== undefined) return installationAt(scripts);
  throw new SourceUnavailableError('no rabbitmq-server on this machine');
}
