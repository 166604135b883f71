// The problem of split databases: a service as it would be without the synchronisation of instances. Its contract lacks the lines by
// which an order-service learns of the orders of another one; everything else is the same code. SPLIT_SERVICE names the service.
import { inventoryProgram } from '../../inventory-service/program.ts';
import { orderProgram } from '../../order-service/program.ts';
import { paymentProgram } from '../../payment-service/program.ts';
import type { Choreography, EventSpec } from '../../shared/contract/language.ts';
import type { ServiceParts } from '../../shared/runtime/node/service.ts';
import { runService } from '../../shared/runtime/process/run-service.ts';
import type { ServiceProgram } from '../../shared/runtime/process/service-program.ts';

const order = 'order-service';

/** What an instance must know of another one for that to be adopted stays: without it, it could have no name. */
function withoutPeers([type, spec]: [string, EventSpec]): [string, EventSpec] {
  if (spec.by !== order || type === 'instance.adopted') return [type, spec];
  const peers = Object.entries(spec.peers ?? {}).filter(([service]) => service !== order);
  return [type, { ...spec, peers: Object.fromEntries(peers) }];
}

function split<P extends ServiceParts>(program: ServiceProgram<P>): ServiceProgram<P> {
  const { contract } = program.definition;
  const events = Object.fromEntries(Object.entries(contract.events).map(withoutPeers));
  const changed: Choreography = { ...contract, events };
  return { ...program, definition: { ...program.definition, contract: changed } };
}

const runs: Readonly<Record<string, () => Promise<void>>> = {
  'order-service': () => runService(split(orderProgram)),
  'payment-service': () => runService(split(paymentProgram)),
  'inventory-service': () => runService(split(inventoryProgram)),
};
await runs[process.env['SPLIT_SERVICE'] ?? '']?.();
