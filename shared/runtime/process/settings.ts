// Settings of a service, from the environment. All are checked at the start; each wrong one is named with what is right.
import { z } from 'zod';
import { type InstanceNames, instanceOf, isInstanceName, memberOf, serviceOf } from '../../contract/members.ts';
import { logLevels } from '../environment/log.ts';
import { inboxKeptMsMin } from '../storage/inbox.ts';

export class SettingsError extends Error {
  override readonly name = 'SettingsError';
}

const integer = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d+$/, `must be a whole number from ${min} to ${max}`)
    .transform(Number)
    .pipe(z.int().min(min, `must be at least ${min}`).max(max, `must be at most ${max}`));

const ServiceSettings = z.object({
  /** Name of this instance, where order-service has several. */
  INSTANCE: z
    .string()
    .refine(isInstanceName, 'must be up to 32 small letters, digits and hyphens, such as a or eu-1; not owner')
    .optional(),
  /** `reads`: this instance only answers reads (order-service). */
  ROLE: z.enum(['all', 'reads'], 'must be all or reads').default('all'),
  /** Where the broker is. */
  AMQP_URL: z
    .string()
    .regex(
      /^amqps?:\/\/[^\s]+$/,
      'must look like amqp://user:password@host:5672; several, separated by commas, are nodes of one cluster',
    )
    .default('amqp://localhost:5672'),
  /** TCP port of the HTTP interface; 0: any free one, which the log names. */
  PORT: integer(0, 65_535),
  /**
   * TCP port on which probes are answered as well, by a thread of its own: a flood of connections to PORT cannot keep them from
   * their answers. Left out: on PORT only.
   */
  HEALTH_PORT: integer(0, 65_535).optional(),
  /** Address to listen on. */
  HOST: z.string().min(1).default('127.0.0.1'),
  /** The service's own SQLite file. */
  DATABASE_PATH: z.string().min(1),
  LOG_LEVEL: z.enum(logLevels, `must be one of ${logLevels.join(', ')}`).default('info'),
  /** Messages that may be delivered and not yet acked. */
  PREFETCH: integer(1, 10_000).default(300),
  /** Most events that share one message under load; 1: every event is a message of its own. */
  EVENT_BATCH_MAX: integer(1, 1_000).default(100),
  /** Messages that may wait in the outbox before requests that change something are answered 503. */
  OUTBOX_MAX: integer(1, 100_000_000).default(100_000),
  /** How long a stop may take to finish what was begun, in milliseconds. */
  SHUTDOWN_MS: integer(0, 600_000).default(10_000),
  /** Time between two rounds of reconciliation, in milliseconds. */
  RECONCILE_INTERVAL_MS: integer(100, 86_400_000).default(10_000),
  /**
   * How long the journal and the inbox keep events that were published, in milliseconds: far longer than any outage, and at
   * least twice the longest deadline of an order, whose events somebody may still have to fetch.
   */
  JOURNAL_RETENTION_MS: integer(inboxKeptMsMin, 3_153_600_000_000).default(30 * 86_400_000),
  /** How long an order may stay pending, in milliseconds (order-service). */
  ORDER_DEADLINE_MS: integer(100, 86_400_000).default(30_000),
  /** Where the prices of an order come from (order-service); see order-service/catalogue.ts. */
  CATALOGUE: z.enum(['copy', 'sync', 'hybrid'], 'must be copy, sync or hybrid').default('hybrid'),
});

export interface Settings extends z.output<typeof ServiceSettings> {
  /**
   * Base URLs by service, or by named instance (`order-service.a`), from ORDER_SERVICE_URL and so on: where the journals of
   * others are read.
   */
  readonly serviceUrls: Readonly<Record<string, readonly string[]>>;
}

const urlSetting = /^([A-Z][A-Z0-9_]*_SERVICE)_URL$/;

/**
 * @param defaults what this service uses where the environment says nothing
 * @throws SettingsError naming every setting that is wrong, with its value and what would be right
 */
export function readSettings(
  env: NodeJS.ProcessEnv,
  defaults: { readonly PORT: string; readonly DATABASE_PATH: string },
): Settings {
  // An empty variable is what Compose makes of an unset one.
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ''));
  const result = ServiceSettings.safeParse({ ...defaults, ...given });
  const urls = serviceUrls(given);
  if (result.success && urls.wrong.length === 0) return { ...result.data, serviceUrls: urls.byService };
  const lines = (result.error?.issues ?? []).map((issue) => {
    const name = String(issue.path[0]);
    // A URL may hold a password.
    const shown = name === 'AMQP_URL' ? 'what is set' : `'${given[name] ?? ''}'`;
    return `  ${name}: ${shown} is wrong: ${issue.message}`;
  });
  throw new SettingsError(
    `these settings are wrong:\n${[...lines, ...urls.wrong].join('\n')}\nCorrect them in the environment and start again.`,
  );
}

/** The setting that holds the addresses of a service: `PAYMENT_SERVICE_URL` for `payment-service`. */
export function urlSettingOf(service: string): string {
  return `${service.toUpperCase().replaceAll('-', '_')}_URL`;
}

/** The names of instances that have addresses. */
export function instanceNames({ serviceUrls }: Pick<Settings, 'serviceUrls'>): InstanceNames {
  const names: Record<string, string[]> = {};
  for (const member of Object.keys(serviceUrls)) {
    const name = instanceOf(member);
    if (name !== undefined) names[serviceOf(member)] = [...(names[serviceOf(member)] ?? []), name];
  }
  return names;
}

/**
 * `PAYMENT_SERVICE_URL=http://a:3002,http://b:3002` gives the addresses of `payment-service`, and
 * `ORDER_SERVICE_URL=a=http://a:3001,b=http://b:3001` those of `order-service.a` and `order-service.b`.
 */
function serviceUrls(env: Readonly<Record<string, string | undefined>>) {
  const byService: Record<string, string[]> = {};
  const wrong: string[] = [];
  for (const [name, value] of Object.entries(env)) {
    const service = urlSetting.exec(name)?.[1];
    if (!service || value === undefined) continue;
    const found = value.split(',').map((text) => {
      const [, instance, url = ''] = /^\s*(?:([^=/:\s]+)=)?(https?:\/\/[^\s/?#]+[^\s?#]*?)\/*\s*$/.exec(text) ?? [];
      return { instance, url };
    });
    const named = found.filter(({ instance }) => instance !== undefined);
    const namesAreRight = named.every(({ instance }) => isInstanceName(instance ?? ''));
    if (found.some(({ url }) => url === '') || !namesAreRight || (named.length > 0 && named.length < found.length)) {
      wrong.push(
        `  ${name}: '${value}' is wrong: must look like http://host:3002, several separated by commas; with named instances a=http://host:3001,b=http://other:3001`,
      );
      continue;
    }
    for (const { instance, url } of found) {
      const member = memberOf(service.toLowerCase().replaceAll('_', '-'), instance);
      byService[member] = [...(byService[member] ?? []), url];
    }
  }
  return { byService, wrong };
}
