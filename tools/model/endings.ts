// The journals with which orders end: in the model, all that there can be; in the simulator, those of real orders.
import { perService, serviceNames } from '../../services.ts';
import { allFaults } from '../../simulator/environment/faults.ts';
import { explore } from '../../simulator/exhaustive/explorer.ts';
import { scenarios } from '../../simulator/exhaustive/scenarios.ts';
import { mutants } from '../../simulator/mutants/all-mutants.ts';
import { simulate } from '../../simulator/simulation.ts';
import { contractName, eventName, serviceName } from './event-names.ts';
import { type Entry, type Journals, journalsOf, journalsText } from './journals.ts';

/** The model's entries in one service's journal. */
const slots = 4;

/** Reads what the checker prints at the end of every run: model/recorded.pml. */
export function endingsOfModel(output: string): Set<string> {
  const lines = new Set(output.match(/(?<=^journals ).*$/gm));
  return new Set([...lines].map((line) => journalsText(journalsIn(line))));
}

function journalsIn(line: string): Journals {
  const pairs = line.split(' ').map((pair) => pair.split('/').map(Number));
  const published = new Set(pairs.map(([event = 0]) => eventName(event)));
  const textOf = (number: number) => contractName(repeated(eventName(number), published));
  return perService((service) => {
    const first = slots * serviceNames.findIndex((_, number) => serviceName(number) === service);
    return pairs.slice(first, first + slots).flatMap(([event = 0, because = 0], index): Entry[] => {
      // order.placed is number 0, and so is an empty slot.
      const isPlaced = service === 'order-service' && index === 0;
      if (event === 0 && !isPlaced) return [];
      const caused = service !== 'order-service' || index > 0;
      const own = eventName(event) === 'order_withdrawn' || eventName(event) === 'withdrawn_again';
      return [{ name: textOf(event), because: caused && !own ? textOf(because) : undefined }];
    });
  });
}

/** The answer that is repeated. */
function repeated(name: string, published: ReadonlySet<string>): string {
  if (name === 'payment_repeated') return published.has('payment_refunded') ? 'payment_refunded' : 'payment_voided';
  if (name === 'inventory_repeated')
    return published.has('inventory_released') ? 'inventory_released' : 'inventory_voided';
  return name;
}

/** Those of orders that were withdrawn, or asked again, at most once. */
export function withOneWithdrawal(endings: ReadonlySet<string>): Set<string> {
  return new Set([...endings].filter((text) => (text.split(';')[0]?.match(/order\.withdrawn/g) ?? []).length <= 1));
}

/**
 * The journals of one order in every way it can go, in the services' own code, where it is cancelled at most once. Nothing is
 * lost and nobody crashes; but what comes late comes in every order.
 */
export function endingsOfServices(): Set<string> {
  const endings = new Set<string>();
  for (const scenario of scenarios) {
    explore(scenario, { crashes: 0, cancels: 1, deadline: false }, undefined, (databases) => {
      for (const journals of journalsOf(databases)) endings.add(journalsText(journals));
    });
  }
  return endings;
}

/** The journals of simulated orders, and how many orders have them. Databases are not put back: the model knows no such thing. */
export function endingsOfSimulator(orders: number, mutant?: string): Map<string, number> {
  const endings = new Map<string, number>();
  simulate({
    seed: 1,
    orders,
    faults: mutant ? ['reorder', 'delay', 'cancel'] : allFaults.filter((fault) => fault !== 'put-back'),
    mutant: mutants.find(({ name }) => name === mutant),
    inspect: ({ databases }) => {
      for (const journals of journalsOf(databases)) {
        const text = journalsText(journals);
        endings.set(text, (endings.get(text) ?? 0) + 1);
      }
    },
  });
  return endings;
}
