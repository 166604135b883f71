// Which promise is broken when something comes out otherwise than the model says.
import type { PromiseId } from '../environment/violation.ts';
import type { Asked } from './work.ts';

const aboutRequests: Readonly<Record<Asked['what'], PromiseId>> = {
  'place order': 'P10',
  'cancel order': 'P2',
  'keep product': 'P5',
  'put account': 'P3',
  deposit: 'P3',
  'put product': 'P5',
  restock: 'P4',
};

/** A fence was run over, or stood where none belongs. */
const aboutOrderOfArrival: ReadonlySet<string> = new Set(['fenced', 'compensated', 'withdrawn', 'ended', 'outdated']);

/** The promise about a request that was answered wrongly, or about an outcome instead of which another one came. */
export function promiseAbout(is: string, must = is): PromiseId {
  if (Object.hasOwn(aboutRequests, is)) return aboutRequests[is as Asked['what']];
  if (must === 'recovered' || is === 'recovered') return 'P12';
  if (aboutOrderOfArrival.has(must) || aboutOrderOfArrival.has(is)) return 'P7';
  return promiseAboutEvent(isEvent(must) ? must : is);
}

function isEvent(outcome: string): boolean {
  return outcome.includes('.');
}

/** The promise about a request that was done, but not as it was asked. */
export function promiseAboutAnswer(what: Asked['what']): PromiseId {
  return what === 'place order' ? 'P1' : aboutRequests[what];
}

/** The promise about what an event says. */
export function promiseAboutEvent(type: string): PromiseId {
  if (type === 'order.placed') return 'P1';
  if (type === 'product.updated') return 'P5';
  if (type.startsWith('payment.')) return 'P3';
  if (type.startsWith('inventory.')) return 'P4';
  return 'P2';
}
