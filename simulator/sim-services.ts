// The simulated services, each with the type of its own parts, for code that calls a service's commands.
import type { InventoryParts } from '../inventory-service/service.ts';
import type { OrderParts } from '../order-service/service.ts';
import type { PaymentParts } from '../payment-service/service.ts';
import type { ServiceName } from '../shared/contract/choreography.ts';
import type { ServiceParts } from '../shared/runtime/node/service.ts';
import type { SimService } from './sim-service.ts';

/** What each service builds when its database is open. */
export interface PartsOf {
  readonly 'order-service': OrderParts;
  readonly 'payment-service': PaymentParts;
  readonly 'inventory-service': InventoryParts;
}

/** A service that is missing above does not compile here. */
export type SimServices = {
  readonly [S in ServiceName]: PartsOf[S] extends ServiceParts ? SimService<PartsOf[S]> : never;
};
