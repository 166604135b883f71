// Every service of the saga, in one list. What runs, simulates, measures or tests "all services" reads it; a service of
// the contract that is missing here does not compile.
import { inventoryService } from './inventory-service/service.ts';
import type { Participant } from './order-service/order.ts';
import { orderService } from './order-service/service.ts';
import { paymentService } from './payment-service/service.ts';
import type { ServiceName } from './shared/contract/choreography.ts';
import type { ServiceDefinition } from './shared/runtime/node/service.ts';

const definitions = {
  'order-service': orderService,
  'payment-service': paymentService,
  'inventory-service': inventoryService,
} satisfies { readonly [S in ServiceName]: { readonly name: S } };

export const serviceNames = Object.keys(definitions) as ServiceName[];

/** A service of this saga, for code that treats all services alike. */
export type SagaService = ServiceDefinition & { readonly name: ServiceName };

export const serviceDefinitions: readonly SagaService[] = Object.values(definitions);

/** What each service builds when its database is open. */
export type PartsOf = { readonly [S in ServiceName]: ReturnType<(typeof definitions)[S]['build']> };

/** The TCP port of a service where no setting says otherwise. */
export const defaultPorts: PerService<number> = perService((service) => definitions[service].port);

/** One of something for each service. */
export type PerService<T> = Readonly<Record<ServiceName, T>>;

/** One of something for each service that decides how a saga ends. A service that acts after the saga may have one, too. */
export type PerSagaService<T> = Readonly<Record<'order-service' | Participant, T>> & Readonly<Partial<PerService<T>>>;

export function perService<T>(make: (service: ServiceName, index: number) => T): PerService<T> {
  return Object.fromEntries(serviceNames.map((name, index) => [name, make(name, index)])) as PerService<T>;
}
