// The tightest race of the saga: success arrives at order-service in the millisecond of the order's deadline.
import { queueOf } from '../shared/contract/topology.ts';
import type { Copy, SimQueue } from './environment/sim-queue.ts';
import { unpacked } from './environment/unpacked.ts';
import type { Answers } from './workload/answers.ts';
import type { WorkloadOptions } from './workload/workload-options.ts';

interface Surroundings extends Pick<WorkloadOptions, 'faults' | 'schedule' | 'instances'> {
  readonly workload: { readonly answers: Pick<Answers, 'accepted'> };
}

/** The virtual moment until which the broker must hold a copy back. Undefined: it is no tie. */
export function holdUntilDeadline(world: Surroundings, queue: SimQueue, { message }: Copy): number | undefined {
  const { faults, schedule, instances, workload } = world;
  if (!faults.on('deadline-tie')) return undefined;
  if (message.routingKey !== 'inventory.reserved') return undefined;
  const service = instances.all.find(({ member }) => queueOf(member) === queue.name);
  if (!service) return undefined;
  const order = unpacked(message)
    .map(({ correlationId = '' }) => workload.answers.accepted.get(correlationId))
    .find((accepted) => accepted?.tie && accepted.at === service.member);
  if (!order) return undefined;
  const atMs = order.deadlineAtMs - (service.wall.nowMs() - schedule.nowMs);
  if (atMs <= schedule.nowMs) return undefined;
  faults.add('deadline-tie');
  return atMs;
}
