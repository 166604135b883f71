// Which processes order-service consists of on one machine: alone, several with a database each, several on one database, and
// perhaps one that only answers reads.
import { memberOf } from '../shared/contract/members.ts';
import { urlSettingOf } from '../shared/runtime/process/settings.ts';

export interface OrderDeployment {
  /** Number of the processes that accept orders. Default 1. */
  readonly instances?: number;
  /** They share one database file, and have no names. Default: each has its own. */
  readonly sharedDatabase?: boolean;
  /** They know nothing of each other's orders: the problem, to be seen. */
  readonly splitDatabases?: boolean;
  /** One more process, with a database that is fed through its queue, answers all GETs, and accepts nothing. */
  readonly readDatabase?: boolean;
}

export interface OrderProcess {
  /** For people, logs and messages. */
  readonly label: string;
  /** Undefined: without a name. */
  readonly instance: string | undefined;
  /** Without `.db`. */
  readonly databaseName: string;
  readonly port: number;
  /** It answers reads; where no process is only for that, all do. */
  readonly reads: boolean;
  /** It accepts orders and cancellations. */
  readonly writes: boolean;
}

/** Most processes on one machine: one for each letter. */
export const orderInstancesMax = 26;
const portStep = 10;
const service = 'order-service';

/** The first continues with the database of an order-service that was alone. Ports are ten apart. */
export function orderProcesses(
  firstPort: number,
  { instances = 1, sharedDatabase = false, readDatabase = false }: OrderDeployment = {},
): OrderProcess[] {
  const named = !sharedDatabase && (instances > 1 || readDatabase);
  const writers = Array.from({ length: instances }, (_, index): OrderProcess => {
    const instance = named ? String.fromCodePoint(0x61 + index) : undefined;
    return {
      label: named || index === 0 ? memberOf(service, instance) : `${service}-${index + 1}`,
      instance,
      databaseName: named && index > 0 ? memberOf(service, instance) : service,
      port: firstPort + index * portStep,
      reads: !readDatabase,
      writes: true,
    };
  });
  if (!readDatabase) return writers;
  const member = memberOf(service, 'reads');
  const port = firstPort + instances * portStep;
  return [...writers, { label: member, instance: 'reads', databaseName: member, port, reads: true, writes: false }];
}

/** How each service is started where the databases of order-service are split, instead of as it is. */
export function splitLaunch(service: string, order?: OrderProcess): { main: string; env: Record<string, string> } {
  return {
    main: 'examples/split-databases/main.js',
    env: {
      SPLIT_SERVICE: service,
      // Each knows only itself.
      ...(order ? { [urlSettingOf(service)]: orderAddresses([order]) } : {}),
    },
  };
}

/** The value of ORDER_SERVICE_URL: `a=http://…,b=http://…`, or the addresses of processes that share a journal. */
export function orderAddresses(processes: readonly Pick<OrderProcess, 'instance' | 'port'>[]): string {
  return processes
    .map(({ instance, port }) => `${instance === undefined ? '' : `${instance}=`}http://127.0.0.1:${port}`)
    .join(',');
}
