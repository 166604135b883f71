// How a private RabbitMQ node is set up: its files, its ports, and an environment in which nothing of the machine's own
// RabbitMQ or of the caller's RABBITMQ_* variables is left.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Installation } from './installation.ts';

/** What makes a node one of several. */
export interface Membership {
  /** From 1. */
  readonly number: number;
  /** Of the epmd that all nodes share: it is how they find each other. */
  readonly epmdPort: number;
  /** The secret with which Erlang nodes let each other in. */
  readonly cookie: string;
}

export interface NodePorts {
  readonly amqp: number;
  readonly distribution: number;
  readonly epmd: number;
}

export interface NodePlace {
  readonly dataDir: string;
  /** RabbitMQ's own log. */
  readonly logFile: string;
  /** What the start script and the VM print. */
  readonly consoleFile: string;
}

// The name can be the same everywhere, and is what finds the data again after the folder was moved: names have to be unique
// per epmd only, and every broker gets an epmd of its own, on a port of its own, in a process group of ours. With the machine's
// shared epmd two nodes could collide, and the first one would leave that daemon behind for ever.
function nodeName(number: number | undefined): string {
  return number === undefined ? 'saga@localhost' : `saga-${number}@localhost`;
}

/** How often a queue's replicas look whether a node still answers; RabbitMQ's 5 s would be the time without a leader. */
const LOOK_EVERY_MS = 500;

export function placeIn(dataDir: string, logFile: string | undefined): NodePlace {
  const logDir = join(dataDir, 'log');
  return {
    dataDir,
    logFile: logFile === undefined ? join(logDir, 'rabbitmq.log') : resolve(logFile),
    consoleFile: join(logDir, 'console.log'),
  };
}

/** Writes the node's files. The data (`db`) and the Erlang cookie (`home`) are left as they are. */
export function writeSettings(place: NodePlace, ports: NodePorts, membership?: Membership): void {
  for (const folder of ['db', 'home', 'log']) mkdirSync(join(place.dataDir, folder), { recursive: true });
  mkdirSync(dirname(place.logFile), { recursive: true });
  const settings = [
    `listeners.tcp.1 = 127.0.0.1:${ports.amqp}`,
    'log.console = false',
    // the defaults follow the machine: 40 % of its memory, and publishers blocked below 50 MB of disk whatever the machine's size
    'vm_memory_high_watermark.absolute = 1GB',
    'disk_free_limit.absolute = 50MB',
    ...(membership ? clusterSettings(membership) : []),
  ];
  writeFileSync(join(place.dataDir, 'rabbitmq.conf'), `${settings.join('\n')}\n`);
  const advanced = membership ? `[{aten, [{poll_interval, ${LOOK_EVERY_MS}}]}].` : '[].';
  writeFileSync(join(place.dataDir, 'advanced.config'), `${advanced}\n`);
  writeFileSync(join(place.dataDir, 'enabled_plugins'), '[].\n');
  if (membership) writeCookie(place, membership.cookie);
}

function clusterSettings({ number }: Membership): string[] {
  // Read only by a node without data. It joins the first; that one would look for others in vain, for five seconds.
  const known = [...new Set([1, number])];
  return [
    'cluster_formation.peer_discovery_backend = classic_config',
    ...known.map((other, index) => `cluster_formation.classic_config.nodes.${index + 1} = ${nodeName(other)}`),
    'cluster_partition_handling = pause_minority',
  ];
}

/** The nodes of a cluster must have the same; Erlang reads it from the home folder, and wants nobody else to be able to. */
function writeCookie({ dataDir }: NodePlace, cookie: string): void {
  const file = join(dataDir, 'home', '.erlang.cookie');
  rmSync(file, { force: true });
  writeFileSync(file, cookie, { mode: 0o400 });
}

/** Of a node that does not run: queues, exchanges, users, and all that is in them. */
export function removeMessages({ dataDir }: NodePlace): Promise<void> {
  // Port programs of a killed VM may still be writing: a folder that is not empty is tried again.
  return rm(join(dataDir, 'db'), { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
}

/** For the server and for rabbitmqctl. `leanScripts` is the lean view's scripts folder, where there is one. */
export function nodeEnvironment(
  installation: Installation,
  place: NodePlace,
  ports: NodePorts,
  leanScripts: string | undefined,
  membership?: Membership,
): NodeJS.ProcessEnv {
  const { dataDir, logFile } = place;
  return {
    PATH: installation.path,
    ...(installation.libraryPath === undefined ? {} : { LD_LIBRARY_PATH: installation.libraryPath }),
    ...(leanScripts === undefined ? {} : { RABBITMQ_SCRIPTS_DIR: leanScripts }),
    HOME: join(dataDir, 'home'),
    LANG: /utf-?8/i.test(process.env['LANG'] ?? '') ? process.env['LANG'] : 'C.UTF-8',
    ERL_EPMD_PORT: String(ports.epmd),
    ERL_EPMD_ADDRESS: '127.0.0.1',
    ERL_CRASH_DUMP: join(dataDir, 'log', 'erl_crash.dump'),
    RABBITMQ_NODENAME: nodeName(membership?.number),
    RABBITMQ_DIST_PORT: String(ports.distribution),
    RABBITMQ_MNESIA_BASE: join(dataDir, 'db'),
    // the folder is for its other logs; it wins over a folder in the settings, so the file cannot be named there
    RABBITMQ_LOG_BASE: join(dataDir, 'log'),
    RABBITMQ_LOGS: logFile,
    RABBITMQ_CONFIG_FILE: join(dataDir, 'rabbitmq.conf'),
    RABBITMQ_ADVANCED_CONFIG_FILE: join(dataDir, 'advanced.config'),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(dataDir, 'enabled_plugins'),
    // neither exists: they keep /etc/rabbitmq out
    RABBITMQ_CONF_ENV_FILE: join(dataDir, 'no-rabbitmq-env.conf'),
    RABBITMQ_CONFIG_FILES: join(dataDir, 'no-conf.d', '*.conf'),
    // RabbitMQ binds its AMQP listener as told, but Erlang's own one to every interface
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1}',
    RABBITMQ_CTL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1}',
    // lets the start script become the VM instead of waiting beside it: our child is then the broker itself, and SIGTERM reaches it
    RUNNING_UNDER_SYSTEMD: 'true',
  };
}
