// Every service of the contract, as the simulator runs it. One that is missing here does not compile.
import { inventoryService } from '../inventory-service/service.ts';
import { orderService } from '../order-service/service.ts';
import { paymentService } from '../payment-service/service.ts';
import type { ServiceName } from '../shared/contract/choreography.ts';
import type { ServiceDefinition } from '../shared/runtime/node/service-node.ts';

const byName = {
  'order-service': orderService,
  'payment-service': paymentService,
  'inventory-service': inventoryService,
} satisfies { readonly [S in ServiceName]: { readonly name: S } };

export const definitions = Object.values(byName) as unknown as readonly ServiceDefinition<ServiceName>[];
