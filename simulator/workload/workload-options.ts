// What the people of a run are given.
import type { Counter, Faults } from '../environment/faults.ts';
import type { History } from '../environment/history.ts';
import type { Random } from '../environment/random.ts';
import type { Schedule } from '../environment/schedule.ts';
import type { SimServices } from '../environment/sim-services.ts';
import type { ShopModel } from '../model/shop-model.ts';

export interface WorkloadOptions {
  readonly orders: number;
  readonly services: SimServices;
  readonly schedule: Schedule;
  readonly random: Random;
  readonly faults: Faults;
  readonly races: Counter;
  readonly history: History;
  readonly model: ShopModel;
  /** Called before order number `index` is placed. */
  readonly beforeOrder: (index: number) => void;
}
