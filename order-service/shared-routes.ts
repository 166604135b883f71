// What every route of a named instance does before its own work: it answers only when the instance knows what its peers know,
// and a read waits for the version that the client brings. A read side accepts nothing.
import { ProblemError, unavailable } from '../shared/runtime/http/problem.ts';
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
      const command: typeof route.command = (tx, request, prepared: unknown) => {
        checkReady();
        return route.command(tx, request, prepared);
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

/** The routes of a read side: what would change something is refused. It accepts no orders, so it decides about none. */
export function readSideOf(routes: readonly Route[]): Route[] {
  return routes.map((route): Route => {
    if (!('command' in route)) return route;
    const { method, path, operationId, summary, params } = route;
    return {
      ...{ method, path, operationId, summary, answers: {} },
      ...(params ? { params } : {}),
      description: 'Not served here: this is a read side.',
      problems: { 405: 'This is a read side: ask an instance that accepts orders.' },
      handle: () => {
        const detail = `this instance only answers reads; send ${method} to one that accepts orders`;
        throw new ProblemError(405, 'read-side', detail, {}, { allow: 'GET, HEAD' });
      },
    };
  });
}
