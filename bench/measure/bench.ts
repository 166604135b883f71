// What every measurement works with.
import type { Peer, Target } from '../load/load.ts';
import type { Shop } from '../load/shop.ts';
import type { Stage } from '../stage/stage.ts';
import type { Plan } from './plan.ts';

export interface Bench {
  readonly plan: Plan;
  /** Sagas in flight at saturation. */
  readonly inFlight: number;
  /** Measured beside the services; none without --peers. */
  readonly peers: readonly Peer[];
  readonly progress: (line: string) => void;
  /** Folder for what tools write. */
  readonly dataDir: string;
  startStage(shop: Shop, pastOrders: number, vhost: string, targets: readonly Target[]): Promise<Stage>;
}
