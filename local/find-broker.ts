// The broker that a command is to use: of compose, of AMQP_URL, of the system that runs in the data folder, or the default.
import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { addressesIn } from '../shared/runtime/environment/broker-addresses.ts';
import { handshake } from './broker/readiness.ts';
import { findCompose, projectDir } from './compose.ts';
import { StartError } from './ports.ts';
import { brokerNote } from './running-broker.ts';
import { systemHolder } from './system.ts';

const run = promisify(execFile);

export interface FoundBroker {
  readonly url: string;
  /** For people: without the password, and where it comes from. */
  readonly description: string;
}

/** @throws StartError that says what to do */
export async function findBroker(compose: boolean, env: NodeJS.ProcessEnv): Promise<FoundBroker> {
  if (compose) return composeBroker();
  const given = env['AMQP_URL'];
  if (given) return described(await addressToUse(given), 'AMQP_URL');
  const dataDir = resolve(env['DATA_DIR'] || 'data');
  const holderPid = systemHolder(dataDir);
  const note = holderPid === undefined ? undefined : brokerNote(dataDir);
  if (note?.url) return described(await addressToUse(note.url), `${note.description}; npm start, ${dataDir}`);
  if (note)
    throw new StartError(`npm start (process ${holderPid}) uses the broker of its AMQP_URL: set the same one here.`);
  return described(
    'amqp://localhost:5672',
    `the default: AMQP_URL is not set, and npm start does not run in ${dataDir}`,
  );
}

/** Of the nodes of a cluster, one that answers. */
async function addressToUse(url: string): Promise<string> {
  const addresses = addressesIn(url);
  const [first = url] = addresses;
  if (addresses.length === 1) return first;
  return Promise.any(addresses.map((address) => handshake(address).then(() => address))).catch(() => first);
}

function described(url: string, where: string): FoundBroker {
  return { url, description: `${shownUrl(url)} (${where})` };
}

/** @throws StartError, which does not show what it cannot read */
function shownUrl(url: string): string {
  try {
    const shown = new URL(url);
    if (shown.protocol !== 'amqp:' && shown.protocol !== 'amqps:') throw new Error('another protocol');
    if (shown.password) shown.password = '***';
    // It may hold secrets of other ways to log in.
    shown.search = '';
    return shown.href;
  } catch {
    throw new StartError('AMQP_URL is wrong: it must look like amqp://user:password@host:5672.');
  }
}

const binding = z.object({ HostIp: z.string(), HostPort: z.string() });
const containerSchema = z
  .array(
    z.object({
      State: z.object({ Running: z.boolean() }),
      Config: z.object({ Env: z.array(z.string()) }),
      NetworkSettings: z.object({ Ports: z.record(z.string(), z.array(binding).nullable()) }),
    }),
  )
  .length(1);

async function composeBroker(): Promise<FoundBroker> {
  const command = await findCompose();
  if (!command)
    throw new StartError('Neither `docker compose` nor `docker-compose` is there: install Docker with Compose.');
  const [file, ...first] = command;
  const shown = command.join(' ');
  try {
    const id = (await run(file, [...first, 'ps', '-q', 'rabbitmq'], { cwd: projectDir })).stdout.trim();
    if (id === '') throw new StartError(`The broker of compose is not running: ${shown} up -d`);
    const { stdout } = await run('docker', ['inspect', '--type', 'container', id]);
    return { ...described(urlOf(stdout, shown), shown) };
  } catch (error) {
    if (error instanceof StartError) throw error;
    throw new StartError(`${shown} does not work: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** @param inspected what `docker inspect` prints about the broker's container */
export function urlOf(inspected: string, compose: string): string {
  const [container] = containerSchema.parse(JSON.parse(inspected));
  if (!container?.State.Running) throw new StartError(`The broker of compose is not running: ${compose} up -d`);
  const published = container.NetworkSettings.Ports['5672/tcp']?.[0];
  if (!published) {
    throw new StartError(
      `The broker's container does not publish port 5672. Create it anew: ${compose} up -d rabbitmq`,
    );
  }
  const setting = (name: string) =>
    container.Config.Env.find((line) => line.startsWith(`${name}=`))?.slice(name.length + 1) ?? 'guest';
  const user = encodeURIComponent(setting('RABBITMQ_DEFAULT_USER'));
  const password = encodeURIComponent(setting('RABBITMQ_DEFAULT_PASS'));
  const host = published.HostIp === '' || published.HostIp === '0.0.0.0' ? '127.0.0.1' : published.HostIp;
  return `amqp://${user}:${password}@${host}:${published.HostPort}`;
}
