// The numbers that stand for events and services in the model, as the contract names them.
import { readFileSync } from 'node:fs';
import { serviceNames } from '../../services.ts';

const text = readFileSync(new URL('../../../model/events.pml', import.meta.url), 'utf8');
const numbers = new Map(
  [...text.matchAll(/^#define (\w+) +(\d+)$/gm)].map(([, name = '', number]) => [name, Number(number)] as const),
);
const eventNames = new Map([...numbers].filter(([name]) => name.includes('_')).map(([name, number]) => [number, name]));

/** The name of an event in the model, such as `order_placed`. */
export function eventName(number: number): string {
  return eventNames.get(number) ?? `event ${number}`;
}

export function serviceName(number: number): string {
  const name = serviceNames.find((service) => numbers.get(service.replace('-service', '').toUpperCase()) === number);
  return name ?? `service ${number}`;
}

/** The type of an event in the contract. Repeated answers have those of the answers that they repeat. */
export function contractName(name: string): string {
  return name === 'withdrawn_again' ? 'order.withdrawn again' : name.replace('_', '.');
}
