// The model of the whole shop: for each service a model and the works that it is held to. A service without a model does not
// compile.
import { type PerService, perService, type SagaService } from '../../services.ts';
import type { AnyEvent, ServiceName } from '../../shared/contract/choreography.ts';
import { ProblemError } from '../../shared/runtime/http/problem.ts';
import { ContradictoryEventError, UnknownSubjectError } from '../../shared/runtime/messaging/reaction.ts';
import type { Cause, Moment, Transaction } from '../../shared/runtime/messaging/unit-of-work.ts';
import type { Deadlines, KnownPublishers, ServiceParts } from '../../shared/runtime/node/service.ts';
import type { Database } from '../../shared/runtime/storage/database.ts';
import { InventoryModel } from './inventory-model.ts';
import { OrderModel } from './order-model.ts';
import { PaymentModel } from './payment-model.ts';
import type { ServiceModel } from './service-model.ts';
import type { Asked, Inability } from './work.ts';
import { WorkLog } from './work-log.ts';

const newModels: PerService<() => ServiceModel> = {
  'order-service': () => new OrderModel(),
  'payment-service': () => new PaymentModel(),
  'inventory-service': () => new InventoryModel(),
};

type React = (event: AnyEvent, at: Moment) => { readonly type: string } | string;

export class ShopModel {
  readonly logs: PerService<WorkLog>;

  readonly #modelled: ReadonlySet<ServiceName>;

  /** @param modelled the services whose every work is held to its model */
  constructor(nowMs: () => number, modelled: readonly ServiceName[]) {
    this.#modelled = new Set(modelled);
    this.logs = perService((name) => new WorkLog(name, newModels[name](), nowMs));
  }

  isModelled(service: ServiceName): boolean {
    return this.#modelled.has(service);
  }

  /** What a customer must read. */
  statusOf(orderId: string): string | undefined {
    const { model } = this.logs['order-service'];
    return model instanceof OrderModel ? model.statusOf(orderId) : undefined;
  }

  /** See OrderModel. */
  *overdue(epochMs: number, nowMs: number): ReturnType<OrderModel['overdue']> {
    const { model } = this.logs['order-service'];
    if (model instanceof OrderModel) yield* model.overdue(epochMs, nowMs);
  }

  /** Does a request, and notes how it went. */
  request<R>(service: ServiceName, asked: Asked, cause: Cause, { nowMs, steadyMs }: Transaction, run: () => R): R {
    if (!this.isModelled(service)) return run();
    const log = this.logs[service];
    try {
      const value = run();
      log.add({ kind: 'request', nowMs, steadyMs, asked, cause, answer: { ok: true, value } });
      return value;
    } catch (error) {
      if (error instanceof ProblemError) {
        const { status, code } = error;
        log.add({ kind: 'request', nowMs, steadyMs, asked, cause, answer: { ok: false, status, code } });
      }
      throw error;
    }
  }

  /** The same service, whose works are noted. */
  noting(definition: SagaService): SagaService {
    if (!this.isModelled(definition.name)) return definition;
    const log = this.logs[definition.name];
    const noted = (react: React): React => {
      return (event, at) => {
        const { nowMs } = at;
        try {
          const outcome = react(event, at);
          log.add({ kind: 'event', nowMs, event, outcome: typeof outcome === 'string' ? outcome : outcome.type });
          return outcome;
        } catch (error) {
          const why = inabilityOf(error);
          if (why) log.add({ kind: 'unable', nowMs, event, why });
          throw error;
        }
      };
    };
    return {
      ...definition,
      build: (db: Database, member?: string): ServiceParts => {
        const parts = definition.build(db, member);
        const reactions = Object.entries(parts.reactions).map(([type, react]) => [
          type,
          noted(react as unknown as React),
        ]);
        const deadlines = parts.deadlines && notedDeadlines(parts.deadlines, log);
        return { ...parts, reactions: Object.fromEntries(reactions) as ServiceParts['reactions'], deadlines };
      },
    };
  }
}

function inabilityOf(error: unknown): Inability | undefined {
  if (error instanceof ContradictoryEventError) return error.name;
  return error instanceof UnknownSubjectError ? error.name : undefined;
}

function notedDeadlines(deadlines: Deadlines, log: WorkLog): Deadlines {
  return {
    nextAtMs: () => deadlines.nextAtMs(),
    due: (nowMs, limit) => deadlines.due(nowMs, limit),
    meet: (orderId: string, tx: Transaction, publishers: KnownPublishers) => {
      deadlines.meet(orderId, tx, publishers);
      const away = ['payment-service', 'inventory-service'].filter((service) => publishers.isUnreachable(service));
      const others = { away, caughtUp: publishers.caughtUp() };
      log.add({ kind: 'deadline', nowMs: tx.nowMs, steadyMs: tx.steadyMs, orderId, others });
    },
  };
}
