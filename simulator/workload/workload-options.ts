// What the people of a run are given.
import type { ServiceName } from '../../shared/contract/choreography.ts';
import type { Transaction } from '../../shared/runtime/messaging/unit-of-work.ts';
import type { Counter, Faults } from '../environment/faults.ts';
import type { History } from '../environment/history.ts';
import type { Instances } from '../environment/instances.ts';
import type { Random } from '../environment/random.ts';
import type { Schedule } from '../environment/schedule.ts';
import type { SimServices } from '../environment/sim-services.ts';
import type { ShopModel } from '../model/shop-model.ts';

export interface WorkloadOptions {
  readonly orders: number;
  readonly services: SimServices;
  readonly instances: Instances;
  readonly schedule: Schedule;
  readonly random: Random;
  readonly faults: Faults;
  readonly races: Counter;
  readonly history: History;
  readonly model: ShopModel;
  /** Whether order-service asks for products that its copy of the catalogue lacks, as with CATALOGUE=hybrid. */
  readonly hybrid: boolean;
  /** What a command is given as its transaction; only for planted bugs. */
  readonly given?: ((tx: Transaction, service: ServiceName) => Transaction) | undefined;
  /** Called before order number `index` is placed. */
  readonly beforeOrder: (index: number) => void;
}
