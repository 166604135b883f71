// What every route of a named instance does before its own work: it answers only when the instance knows what its peers know,
// and a read waits for the version that the client brings.
import { unavailable } from '../shared/runtime/http/problem.ts';
import type { Route } from '../shared/runtime/http/route.ts';
import type { ServiceNode } from '../shared/runtime/node/service-node.ts';
import type { OrderParts } from './service.ts';
import { VersionWaiters } from './versions.ts';

export function amongInstances(node: ServiceNode<OrderParts>, routes: readonly Route[]): Route[] {
  const versions = new VersionWaiters(node);
  const checkReady = (): void => {
    const why = node.parts.notReady();
    if (why !== undefined) throw unavailable('not-ready', why, 2);
  };
  return routes.map((route): Route => {
    if ('command' in route) {
      const command: typeof route.command = (tx, request) => {
        checkReady();
        return route.command(tx, request);
      };
      return { ...route, command };
    }
    const handle: typeof route.handle = async (request) => {
      checkReady();
      const { minimumVersion, waitMs, signal } = request;
      if (minimumVersion !== undefined) await versions.known(minimumVersion, waitMs, signal);
      return route.handle(request);
    };
    const problems = { ...route.problems, 503: 'The version is not known here yet, or the instance is catching up.' };
    return { ...route, handle, versioned: true, problems };
  });
}
