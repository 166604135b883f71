// Which services a command line means, and where their databases are.
import { join, resolve } from 'node:path';
import { serviceNames } from '../../services.ts';
import type { ServiceName } from '../../shared/contract/choreography.ts';
import { UsageError } from '../usage-error.ts';

export interface Selection {
  readonly services: readonly ServiceName[];
  pathOf(service: ServiceName): string;
}

/**
 * @param only names of services; empty: all
 * @param databases `SERVICE=FILE`, for databases that are not in the data folder
 * @param dataDir where `npm start` has the databases
 * @throws UsageError
 */
export function selectionFrom(only: readonly string[], databases: readonly string[], dataDir: string): Selection {
  const paths = new Map<ServiceName, string>();
  for (const text of databases) {
    const [name = '', ...rest] = text.split('=');
    const path = rest.join('=');
    if (path === '') throw new UsageError(`--database ${text} is wrong: it must be SERVICE=FILE`);
    const service = serviceNamed(name);
    if (paths.has(service)) throw new UsageError(`--database is given twice for ${service}`);
    paths.set(service, resolve(path));
  }
  const chosen = new Set(only.map(serviceNamed));
  const services = serviceNames.filter((service) => chosen.size === 0 || chosen.has(service));
  const unused = [...paths.keys()].find((service) => !services.includes(service));
  if (unused) throw new UsageError(`--database names ${unused}, which --only leaves out`);
  return { services, pathOf: (service) => paths.get(service) ?? resolve(join(dataDir, `${service}.db`)) };
}

/** @throws UsageError */
export function serviceNamed(name: string): ServiceName {
  const service = serviceNames.find((known) => known === name);
  if (service) return service;
  throw new UsageError(`there is no service '${name}'; there are ${serviceNames.join(', ')}`);
}
