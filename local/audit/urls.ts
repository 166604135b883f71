// Where the services are: on this machine at the ports of `npm start` and docker-compose.yml, or where the user says.
import { type PerService, perService } from '../../services.ts';
import type { ServiceName } from '../../shared/contract/choreography.ts';
import { serviceNamed } from '../backup/selection.ts';
import { portsFrom } from '../ports.ts';
import { UsageError } from '../usage-error.ts';

/**
 * @param given `SERVICE=URL`
 * @throws UsageError, or StartError for a wrong port in the environment
 */
export function urlsFrom(given: readonly string[], env: NodeJS.ProcessEnv): PerService<string> {
  const urls = new Map<ServiceName, string>();
  for (const text of given) {
    const [name = '', ...rest] = text.split('=');
    const service = serviceNamed(name);
    if (urls.has(service)) throw new UsageError(`--url is given twice for ${service}`);
    urls.set(service, checked(text, rest.join('=')));
  }
  const ports = portsFrom(env);
  return perService((service) => urls.get(service) ?? `http://127.0.0.1:${ports[service]}`);
}

function checked(text: string, value: string): string {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (!url || !/^https?:$/.test(url.protocol) || url.search !== '' || url.hash !== '')
    throw new UsageError(`--url ${text} is wrong: it must be SERVICE=URL, such as order-service=http://host:3001`);
  // fetch() refuses them; and they would end up in messages.
  if (url.username !== '' || url.password !== '') throw new UsageError('--url cannot contain a user name or password');
  return url.href.replace(/\/+$/, '');
}
