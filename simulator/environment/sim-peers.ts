// How one simulated instance asks another for what its journal does not say: the real routes of the other one, below HTTP, over
// a network with latency.
import { instanceRoutes, itselfAndOthers } from '../../order-service/instance-routes.ts';
import { paths } from '../../order-service/peer-answers.ts';
import type { OrderParts } from '../../order-service/service.ts';
import type { HttpAnswer, Route } from '../../shared/runtime/http/route.ts';
import type { PeerReader } from '../../shared/runtime/messaging/peer-reader.ts';
import type { ServiceNode } from '../../shared/runtime/node/service-node.ts';
import type { Random } from './random.ts';
import type { Owner, Schedule } from './schedule.ts';
import type { SimService } from './sim-service.ts';

type OrderNode = ServiceNode<OrderParts>;

export function peerReader(
  schedule: Schedule,
  random: Random,
  from: Owner,
  to: () => SimService<OrderParts>,
): PeerReader {
  return {
    get: (path, query, done) => {
      schedule.after(
        random.between(1, 3),
        () => {
          const { node } = to();
          const answer = node ? answerOf(node, path, query) : new Error('connection refused');
          schedule.after(random.between(1, 3), () => done(answer), from);
        },
        from,
      );
    },
  };
}

/** As in the real process: the routes, and their schemas, are made once. */
const routesOf = new WeakMap<OrderNode, readonly Route[]>();

function answerOf(node: OrderNode, path: string, query: Readonly<Record<string, string>>): unknown {
  // Counting reads the table in steps that need real time; it is only for the progress that is shown.
  if (path === paths.instances) return itselfAndOthers(node.parts, {});
  const routes = routesOf.get(node) ?? instanceRoutes(node, {});
  routesOf.set(node, routes);
  const route = routes.find((one) => one.path === path);
  if (!route || !('handle' in route)) throw new Error(`no route ${path}`);
  const parsed: unknown = route.query?.parse(query);
  const { body } = route.handle({ query: parsed } as never) as HttpAnswer;
  return JSON.parse(JSON.stringify(body));
}
