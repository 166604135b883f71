// Settings of the observer, from the environment: those of a service as far as they apply, and its own.
import { z } from 'zod';
import { readSettings, type Settings, SettingsError } from '../shared/runtime/process/settings.ts';

export const defaultPort = 8010;

const whole = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d+$/, `must be a whole number from ${min} to ${max}`)
    .transform(Number)
    .pipe(z.int().min(min, `must be at least ${min}`).max(max, `must be at most ${max}`));

const OwnSettings = z.object({
  /** Sagas that are remembered. */
  OBSERVER_SAGAS_MAX: whole(100, 1_000_000).default(10_000),
  /** Events of each journal that are read again at the start. */
  OBSERVER_RECENT_EVENTS: whole(0, 1_000_000).default(10_000),
  /** Names under which the page may be opened, besides addresses and `localhost`; separated by commas. */
  OBSERVER_HOSTS: z
    .string()
    .default('')
    .transform((text) => text.split(',').flatMap((name) => name.trim().toLowerCase() || [])),
  /** Where people reach order-service, for the curl lines. */
  OBSERVER_ORDER_URL: z
    .string()
    .regex(/^https?:\/\/[^\s/?#]+$/, 'must look like http://localhost:3001')
    .optional(),
  /** Where a saga's trace can be looked at; `{traceId}` stands for its id. */
  OBSERVER_TRACE_URL: z
    .string()
    .regex(/^https?:\/\/[^\s{}]+\{traceId\}[^\s{}]*$/, 'must look like http://localhost:16686/trace/{traceId}')
    .optional(),
  OBSERVER_CONTROL_URL: z.url().optional(),
  OBSERVER_CONTROL_TOKEN: z.string().optional(),
});

export interface ObserverSettings
  extends Pick<Settings, 'PORT' | 'HOST' | 'LOG_LEVEL' | 'SHUTDOWN_MS' | 'serviceUrls'>,
    z.output<typeof OwnSettings> {
  /** Undefined: dead letters are counted, not shown. */
  readonly amqpUrl: string | undefined;
}

/** @throws SettingsError naming every setting that is wrong */
export function readObserverSettings(env: NodeJS.ProcessEnv): ObserverSettings {
  const settings = readSettings(env, { PORT: String(defaultPort), DATABASE_PATH: 'none' });
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ''));
  const own = OwnSettings.safeParse(given);
  if (!own.success) {
    const lines = own.error.issues.map(({ path, message }) => `  ${path.join('.')}: ${message}`);
    throw new SettingsError(
      `these settings are wrong:\n${lines.join('\n')}\nCorrect them in the environment and start again.`,
    );
  }
  const { PORT, HOST, LOG_LEVEL, SHUTDOWN_MS, serviceUrls } = settings;
  return { PORT, HOST, LOG_LEVEL, SHUTDOWN_MS, serviceUrls, amqpUrl: given['AMQP_URL'], ...own.data };
}
