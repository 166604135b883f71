// The simulated services, each with the type of its own parts, for code that calls a service's commands.
import type { PartsOf } from '../../services.ts';
import type { ServiceName } from '../../shared/contract/choreography.ts';
import type { ServiceParts } from '../../shared/runtime/node/service.ts';
import type { SimService } from './sim-service.ts';

export type SimServices = {
  readonly [S in ServiceName]: PartsOf[S] extends ServiceParts ? SimService<PartsOf[S]> : never;
};
