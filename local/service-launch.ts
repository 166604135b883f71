// The command line and the environment of a service process, the same for the demo, the tests and the benchmark.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** dist/, where this file itself is when it runs. */
const root = join(dirname(fileURLToPath(import.meta.url)), '..');

export interface ServiceLaunchOptions {
  readonly service: string;
  /** Its compiled main file, from dist/. Left out: that of the service in the project's folder. */
  readonly main?: string | undefined;
  readonly amqpUrl: string;
  readonly databasePath: string;
  /** 0: any free port. */
  readonly port: number;
  /** Further settings; they win over those of this process. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Options of Node itself. */
  readonly nodeOptions?: readonly string[];
}

/** The process sends `{ listening: port }` over its IPC channel when it listens. */
export interface ServiceLaunch {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
}

export function serviceLaunch(options: ServiceLaunchOptions): ServiceLaunch {
  const { service, main = `${service}/main.js`, amqpUrl, databasePath, port, env, nodeOptions = [] } = options;
  return {
    command: process.execPath,
    args: [...nodeOptions, '--enable-source-maps', join(root, main)],
    env: { ...process.env, AMQP_URL: amqpUrl, DATABASE_PATH: databasePath, PORT: String(port), ...env },
  };
}
