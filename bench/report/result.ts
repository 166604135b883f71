// The result of a run: what --json prints, and the report shows.
import { readersOf, type SampleMessages } from '../load/saga-messages.ts';
import type { Scenario, Shop } from '../load/shop.ts';
import type { FsyncResult } from '../measure/fsyncs.ts';
import type { GrowthResult } from '../measure/growth.ts';
import type { LatencyResult } from '../measure/latency.ts';
import type { MemoryResult } from '../measure/memory.ts';
import type { OverloadResult } from '../measure/overload.ts';
import type { SaturationResult } from '../measure/saturation.ts';
import type { Machine } from './machine.ts';

export interface BenchResult {
  /** ISO 8601 UTC. */
  readonly startedAt: string;
  readonly tookS: number;
  readonly command: string;
  readonly quick: boolean;
  readonly broker: string;
  readonly machine: Machine;
  readonly shop: Shop;
  readonly messages: Readonly<
    Record<Scenario, readonly { readonly type: string; readonly bytes: number; readonly queues: number }[]>
  >;
  readonly saturation?: SaturationResult;
  readonly fsyncs?: readonly FsyncResult[];
  readonly latency?: readonly LatencyResult[];
  readonly failure?: { readonly saturation: SaturationResult; readonly latency: readonly LatencyResult[] };
  readonly memory?: MemoryResult;
  readonly growth?: readonly GrowthResult[];
  readonly overload?: OverloadResult;
}

export function messagesOf(samples: SampleMessages): BenchResult['messages'] {
  const sizes = (scenario: Scenario) =>
    samples[scenario].map(({ type, body }) => ({
      type,
      bytes: Buffer.byteLength(body, 'base64'),
      queues: readersOf(type),
    }));
  return { confirmed: sizes('confirmed'), refused: sizes('refused') };
}
