// The simulated broker keeps the promises of the real one.

import { queueOf } from '../../shared/contract/topology.ts';
import { SimBroker } from '../../simulator/environment/broker.ts';
import { Faults } from '../../simulator/environment/faults.ts';
import { Random } from '../../simulator/environment/random.ts';
import { Schedule } from '../../simulator/environment/schedule.ts';
import type { SimBus } from '../../simulator/environment/sim-bus.ts';
import { busSuite } from '../support/bus-suite.ts';

busSuite('the simulated broker', () => {
  const random = new Random(7);
  const schedule = new Schedule(random);
  const broker = new SimBroker(schedule, random.stream('broker'), new Faults([]));
  const runFor = (ms: number) => {
    const untilMs = schedule.nowMs + ms;
    while (schedule.step(untilMs));
  };
  return {
    bus: (service) => broker.connect(queueOf(service), { alive: true }),
    until: async (what, holds) => {
      for (let waitedMs = 0; !holds(); waitedMs += 1) {
        if (waitedMs > 10_000) throw new Error(`waited in vain until ${what}`);
        runFor(1);
      }
    },
    pause: async () => runFor(1_000),
    cut: (bus) => (bus as SimBus).cut('both'),
    end: async () => {},
  };
});
