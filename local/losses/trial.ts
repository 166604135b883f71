// One case: damage under load, then the time until the system has healed.
import { serviceNames } from '../../services.ts';
import type { Broker } from '../broker/start-broker.ts';
import { type DeadLetter, takeDeadLetters } from './broker-losses.ts';
import type { Extent, LossCase } from './cases.ts';
import { Customers } from './customers.ts';
import { type AuditResult, openOrders, settled } from './healing.ts';
import { type LogEntry, Stage } from './stage.ts';

/** Orders that are accepted before something is lost. */
const ordersBefore = 50;
const healTimeoutMs = 120_000;

export interface Healed extends AuditResult {
  /** Accepted in all. */
  readonly orders: number;
  /** Not ended when the faults stopped. */
  readonly open: number;
  /** Since then, until all had ended and the services agreed, or disagreed for good. */
  readonly seconds: number;
  readonly deadLetters: readonly DeadLetter[];
}

export class Trial {
  readonly stage: Stage;
  readonly customers: Customers;
  readonly #logFrom: number;

  private constructor(stage: Stage) {
    this.stage = stage;
    this.#logFrom = stage.log.length;
    this.customers = new Customers(stage.urls);
  }

  /** On a system that others have been tried on, and that has healed. Its stage is not this trial's to stop. */
  static on(stage: Stage): Trial {
    return new Trial(stage);
  }

  /**
   * On a system of its own.
   * @param env settings of all services, over those of the case
   */
  static async prepare(
    broker: Broker,
    { mains = {}, env: own }: LossCase,
    env: Readonly<Record<string, string>> = {},
  ): Promise<Trial> {
    return new Trial(await Stage.start({ broker, mains, env: { ...own, ...env } }));
  }

  async run({ damage }: LossCase, extent: Extent): Promise<Healed> {
    const { stage, customers } = this;
    await customers.prepare();
    customers.start(extent.ordersPerS);
    await customers.more(ordersBefore);
    await damage(stage, customers, extent);
    const stoppedAtMs = performance.now();
    await customers.stop();
    const open = await openOrders(stage);
    const result = await settled(stage, healTimeoutMs);
    const seconds = (performance.now() - stoppedAtMs) / 1_000;
    return {
      ...result,
      orders: customers.placed.length,
      open,
      seconds,
      deadLetters: await takeDeadLetters(stage, serviceNames),
    };
  }

  /** What services have logged at error level since the trial began. */
  errors(): LogEntry[] {
    return this.stage.errors(this.#logFrom);
  }

  stop(): Promise<void> {
    this.customers.leave();
    return this.stage.stop();
  }
}
