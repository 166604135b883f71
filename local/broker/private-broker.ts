// A private broker out of an installation: one node, or a cluster of several.
import { startCluster } from './cluster.ts';
import type { Installation } from './installation.ts';
import { startPrivateNode } from './private-node.ts';
import type { Broker, StartContext } from './source.ts';

/** Throws SourceUnavailableError when it does not come up. */
export function startPrivateBroker(
  source: 'installed' | 'debian',
  installation: Installation,
  context: StartContext,
): Promise<Broker> {
  return context.nodes === 1
    ? startPrivateNode(source, installation, context)
    : startCluster(source, installation, context);
}
