// Whether the journals contradict each other about a saga that has ended: the agreement that the services promise, read
// from the contract.
import type { ContractMap } from '../model/contract-map.ts';

/** @returns what is wrong, for people; undefined when all is well */
export function disagreementOf(map: ContractMap, types: ReadonlySet<string>): string | undefined {
  const finals = new Set([...types].flatMap((type) => map.events.get(type)?.final ?? []));
  if (finals.size > 1) return 'it was both confirmed and cancelled';
  for (const { type, compensates, final, failure } of map.events.values()) {
    if (finals.has('confirmed') && compensates && types.has(type)) return `it was confirmed, but ${type} was published`;
    if (!finals.has('cancelled') || !compensates || final || !failure) continue;
    if (types.has(compensates) && !types.has(type)) return `it was cancelled, but nothing has undone ${compensates}`;
  }
  return undefined;
}
