// The model's events against the contract: model/events.pml.
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { serviceNames } from '../../services.ts';
import { choreography, type EventType } from '../../shared/contract/choreography.ts';

const text = readFileSync(new URL('../../../model/events.pml', import.meta.url), 'utf8').replaceAll('\\\n', '');

/** Events that the contract does not have: a withdrawal that asks again, and the answers of those who had answered before. */
const variants = ['withdrawn_again', 'payment_repeated', 'inventory_repeated'];

/** The events in a set of the model. */
function eventsIn(set: string): string[] {
  const line = new RegExp(`^#define ${set} +(.*)$`, 'm').exec(text)?.[1] ?? '';
  const names = [...line.matchAll(/bit\((\w+)\)/g)].map(([, name = '']) => name);
  return names.filter((name) => !variants.includes(name)).map((name) => name.replace('_', '.'));
}

function eventsOfContract(belongs: (type: EventType) => boolean): EventType[] {
  const types = Object.keys(choreography.events) as EventType[];
  return types.filter((type) => !('standalone' in choreography.events[type]) && belongs(type));
}

describe('the events of the model', () => {
  for (const service of serviceNames) {
    const short = service.replace('-service', '');

    it(`${service} subscribes to the same as in the contract`, () => {
      const subscribed = eventsOfContract((type) => Object.hasOwn(choreography.events[type].reactions, service));
      expect(eventsIn(`to_${short}`)).to.have.members(subscribed);
    });

    it(`${service} publishes the same as in the contract`, () => {
      const published = eventsOfContract((type) => choreography.events[type].by === service);
      const others = [...eventsIn('by_order'), ...eventsIn('by_payment')];
      const known = [...text.matchAll(/^#define ([a-z]+_[a-z]+) +\d+$/gm)].map(([, name = '']) => name);
      const rest = known.filter((name) => !variants.includes(name)).map((name) => name.replace('_', '.'));
      const inModel =
        service === 'inventory-service' ? rest.filter((name) => !others.includes(name)) : eventsIn(`by_${short}`);
      expect(inModel).to.have.members(published);
    });
  }
});
