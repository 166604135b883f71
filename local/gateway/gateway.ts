// The gateway of a system on this machine: nginx where it is installed, else a proxy in this process.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { nginxConfig } from './nginx-config.ts';
import { type GatewayOptions, ProxyGateway } from './proxy-gateway.ts';

const run = promisify(execFile);
const startMsMax = 10_000;

export interface Gateway {
  readonly url: string;
  /** For people: what it is. */
  readonly description: string;
  stop(): Promise<void>;
}

/**
 * Resolves when it listens.
 * @param folder for the files of nginx
 */
export async function startGateway(options: GatewayOptions, folder: string): Promise<Gateway> {
  const url = `http://127.0.0.1:${options.port}`;
  if (await nginxIsInstalled()) return startNginx(options, folder, url);
  const proxy = await ProxyGateway.start(options);
  return { url, description: 'a proxy in this process, since nginx is not installed', stop: () => proxy.stop() };
}

function nginxIsInstalled(): Promise<boolean> {
  return run('nginx', ['-v']).then(
    () => true,
    () => false,
  );
}

async function startNginx(
  { port, upstreams, readers = {} }: GatewayOptions,
  folder: string,
  url: string,
): Promise<Gateway> {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, 'nginx.conf');
  writeFileSync(file, nginxConfig({ port, upstreams: hosts(upstreams), readers: hosts(readers), folder }));
  const child = spawn('nginx', ['-p', folder, '-c', file, '-g', 'daemon off;'], {
    // Ctrl-C in the terminal reaches the parent only, which stops things in order.
    detached: true,
    stdio: 'ignore',
  });
  await Promise.race([
    untilAnswered(url),
    once(child, 'exit').then(([code]) => {
      throw new Error(`nginx ended with code ${code}; ${join(folder, 'nginx.log')} says why`);
    }),
  ]);
  return { url, description: `nginx (pid ${child.pid})`, stop: () => end(child) };
}

/** `host:port` of each URL. */
function hosts(upstreams: Readonly<Record<string, readonly string[]>>): Record<string, string[]> {
  const addresses = Object.entries(upstreams).map(([service, urls]) => [service, urls.map((at) => new URL(at).host)]);
  return Object.fromEntries(addresses) as Record<string, string[]>;
}

/** Any answer will do. */
async function untilAnswered(url: string): Promise<void> {
  for (const endMs = performance.now() + startMsMax; performance.now() < endMs; await delay(50)) {
    const answered = await fetch(url).then(
      () => true,
      () => false,
    );
    if (answered) return;
  }
  throw new Error(`nginx does not answer at ${url} after ${startMsMax} ms`);
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  await exited;
}
