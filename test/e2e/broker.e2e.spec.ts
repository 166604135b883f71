// The broker that all other tests use: it starts, keeps what it confirmed, and leaves nothing behind.
// Runs with whatever source this machine has; BROKER_SOURCE=installed|docker|debian runs it with that one.
import { type ChildProcessByStdio, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { connect } from 'amqplib';
import { expect } from 'chai';
import {
  type Broker,
  BrokerSettingError,
  BrokerUnavailableError,
  type StartBrokerOptions,
  startBroker,
} from '../../local/broker/start-broker.ts';

const CLI = fileURLToPath(new URL(`../../tools/broker${extname(import.meta.url)}`, import.meta.url));
const GONE_TIMEOUT_MS = 15_000;
const DECLARED_FOR_GOOD_MS = 3_000;
const QUEUE = 'kept';
/** What is reported once RabbitMQ's process, or container, exists. */
const BOOTING = 'RabbitMQ is starting';

/** A folder for what tests start, and what they started. */
class Place {
  readonly folder = mkdtempSync(join(tmpdir(), 'broker-spec-'));
  readonly #usualEnv = { ...process.env };
  readonly #started: Broker[] = [];
  readonly #clis: Cli[] = [];

  constructor() {
    // All that is temporary lands in a folder of this place, which must be empty in the end.
    process.env['TMPDIR'] = join(this.folder, 'tmp');
    mkdirSync(process.env['TMPDIR']);
  }

  async start(options: StartBrokerOptions = {}): Promise<Broker> {
    const broker = await startBroker(options);
    this.#started.push(broker);
    return broker;
  }

  startCli(args: readonly string[] = []): Cli {
    const cli = new Cli(args, process.env);
    this.#clis.push(cli);
    return cli;
  }

  /** No process that knows of this folder, no container on that port, nothing in the temporary folder. */
  async nothingIsLeftOf(url: string): Promise<void> {
    await eventually('everything of the broker to be gone', () => {
      const left = [
        ...processesThatMention(this.folder).map((pid) => `process ${pid}`),
        ...readdirSync(join(this.folder, 'tmp')),
        ...containersOn(new URL(url).port),
      ];
      return left.length === 0 ? undefined : left.join(', ');
    });
  }

  async clear(): Promise<void> {
    for (const cli of this.#clis) cli.process.kill('SIGKILL');
    await Promise.all(this.#started.map((broker) => broker.stop()));
    setEnv(this.#usualEnv);
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 10 });
  }
}

/** A broker of somebody else's is not started, killed or wiped here. */
const isGiven = Boolean(process.env['AMQP_URL'] && !process.env['BROKER_SOURCE']);

describe('a private broker, used by one test after the other', function () {
  this.timeout(240_000);
  let place: Place | undefined;
  let dataDir: string;
  let broker: Broker;

  before(async function () {
    if (isGiven) this.skip();
    place = new Place();
    dataDir = join(place.folder, 'data');
    broker = await place.start({ dataDir });
  });
  after(() => place?.clear());

  it('says what it is', async () => {
    expect(broker.description).to.match(/^RabbitMQ \d+\.\d+\.\d+, .*port \d+$/);
    expect(broker.description).to.contain(new URL(broker.url).port);
    expect(await broker.rabbitmqctl(['list_vhosts', '--silent'])).to.contain('/');
  });

  it('refuses its folder to another one', async () => {
    const refused = await outcome(place?.start({ dataDir }) ?? Promise.resolve());
    expect(refused).to.be.instanceOf(BrokerUnavailableError);
    expect(String(refused)).to.contain('in use').and.to.contain(String(process.pid));
  });

  it('answers nobody while it is paused, and goes on after resume()', async () => {
    await publish(broker.url, 'before');
    broker.pause();
    const refused = await outcome(connect(broker.url, { timeout: 500 }));
    broker.resume();
    expect(refused).to.be.instanceOf(Error);
    expect(await take(broker.url)).to.equal('before');
  });

  it('has nothing in common with another one at the same time, which leaves nothing when it is killed and stopped', async () => {
    const other = await place?.start();
    if (!other) throw new Error('there is no place');
    await publish(broker.url, 'for one');
    await publish(other.url, 'for the other');
    await other.kill();
    await other.stop();
    expect(await outcome(connect(other.url))).to.be.instanceOf(Error);
    expect(await take(broker.url)).to.equal('for one');
  });

  it('keeps a persistent message through kill() and restart() on the same url', async () => {
    const { url } = broker;
    // Its queue is older than what RabbitMQ itself can forget: see Broker.kill().
    await delay(DECLARED_FOR_GOOD_MS);
    await publish(url, 'one');
    await broker.kill();
    expect(await outcome(connect(url))).to.be.instanceOf(Error);
    await broker.restart();
    expect(broker.url).to.equal(url);
    expect(await take(url)).to.equal('one');
  });

  it('leaves no process and no file after stop() while it is paused, also when that is asked twice', async () => {
    broker.pause();
    await broker.stop();
    await broker.stop();
    await place?.nothingIsLeftOf(broker.url);
    removeVolumeIn(dataDir);
  });
});

describe('a private broker', function () {
  this.timeout(240_000);
  let place: Place | undefined;

  beforeEach(function () {
    place = undefined;
    if (isGiven) this.skip();
    place = new Place();
  });

  // Skipped ones have nothing of their own.
  afterEach(() => place?.clear());

  const here = (): Place => {
    if (!place) throw new Error('there is no place');
    return place;
  };
  const start = (options?: StartBrokerOptions) => here().start(options);
  const startCli = (args?: readonly string[]) => here().startCli(args);
  const nothingIsLeftOf = (url: string) => here().nothingIsLeftOf(url);

  it('keeps its messages in a given folder over stop() and restart()', async () => {
    const dataDir = join(here().folder, 'data with a space');
    const broker = await start({ dataDir });
    await publish(broker.url, 'one');
    await broker.stop();
    await nothingIsLeftOf(broker.url);
    await broker.restart();
    expect(await take(broker.url)).to.equal('one');
    await removeVolume(broker, dataDir);
  });

  it('leaves nothing when the start is aborted half way', async () => {
    const abort = new AbortController();
    // its first sign of life comes when its processes run and do not answer yet
    const progress = (line: string): void => {
      if (line.startsWith(BOOTING)) abort.abort();
    };
    expect(await outcome(start({ progress, signal: abort.signal }))).to.equal(abort.signal.reason);
    await nothingIsLeftOf('amqp://127.0.0.1:1');
  });

  it('goes away when its parent is killed with SIGKILL', async () => {
    const cli = startCli();
    const url = await cli.url();
    await publish(url, 'one');
    cli.process.kill('SIGKILL');
    await nothingIsLeftOf(url);
    expect(await outcome(connect(url))).to.be.instanceOf(Error);
  });

  it('goes away when its parent ends without stop()', async () => {
    const script = `
      const { startBroker } = await import(${JSON.stringify(new URL(`../../local/broker/start-broker${extname(CLI)}`, import.meta.url).href)});
      console.log((await startBroker()).url);`;
    const output = execFileSync(process.execPath, ['--input-type=module', '--eval', script], { encoding: 'utf8' });
    expect(output).to.match(/^amqp:/);
    await nothingIsLeftOf(output.trim());
  });

  it('ends a broker whose parent and watchdog were both killed, when the folder is used again', async function () {
    // a container is no child of anybody here, and only /proc shows who is whose parent
    if (process.platform !== 'linux') this.skip();
    const dataDir = join(here().folder, 'data');
    const cli = startCli(['--data', dataDir]);
    const url = await cli.url();
    if (existsSync(join(dataDir, 'docker-volume'))) {
      await cli.end('SIGINT');
      removeVolumeIn(dataDir);
      this.skip();
    }
    await publish(url, 'one');
    for (const pid of processesThatMention('broker-watchdog'))
      if (parentOf(pid) === cli.process.pid) process.kill(pid, 'SIGKILL');
    cli.process.kill('SIGKILL');
    await once(cli.process, 'exit');
    await delay(DECLARED_FOR_GOOD_MS);
    await (await connect(url)).close();
    const broker = await start({ dataDir });
    expect(await outcome(connect(url))).to.be.instanceOf(Error);
    expect(await take(broker.url)).to.equal('one');
  });

  it('on the command line: prints nothing but the url, keeps the messages, logs where asked, and ends with 0', async () => {
    const data = join(here().folder, 'data');
    const args = ['--data', data, '--log', join(here().folder, 'logs', 'broker.log')];
    const first = startCli(args);
    const firstUrl = await first.url();
    await publish(firstUrl, 'one');
    expect(await first.end('SIGTERM')).to.equal(0);
    expect(first.printed).to.match(/^amqp:\/\/\S+\n$/);
    expect(first.said).to.contain('Stopped');
    await nothingIsLeftOf(firstUrl);
    const second = startCli(args);
    expect(await take(await second.url())).to.equal('one');
    expect(await second.end('SIGINT')).to.equal(0);
    expect(readFileSync(join(here().folder, 'logs', 'broker.log'), 'utf8')).to.contain('RabbitMQ');
    removeVolumeIn(data);
  });

  it('on the command line: says so when the broker dies, and exits with 69', async function () {
    const cli = startCli(['--data', join(here().folder, 'data')]);
    const url = await cli.url();
    const lock = readFileSync(join(here().folder, 'data', 'broker.lock'), 'utf8');
    const pid = Number(/"group":\{"pid":(\d+)/.exec(lock)?.[1]);
    // a container is not ours to kill with a signal
    if (Number.isNaN(pid)) this.skip();
    const ended = once(cli.process, 'close');
    process.kill(pid, 'SIGKILL');
    expect(await ended).to.deep.equal([69, null]);
    expect(cli.said).to.contain('The broker ended: SIGKILL');
    await nothingIsLeftOf(url);
  });

  it('on the command line: Ctrl-C during the start ends it with 0 and leaves nothing', async () => {
    const cli = startCli();
    await cli.says(BOOTING);
    expect(await cli.end('SIGINT')).to.equal(0);
    expect(cli.printed).to.equal('');
    await nothingIsLeftOf('amqp://127.0.0.1:1');
  });
});

describe('a broker that is not available', () => {
  const usualEnv = { ...process.env };
  let empty: string;
  let nothingThere: NodeJS.ProcessEnv;

  before(() => {
    empty = mkdtempSync(join(tmpdir(), 'broker-spec-'));
    nothingThere = {
      RABBITMQ_SERVER: '/nowhere/rabbitmq-server',
      PATH: '/nowhere',
      XDG_CACHE_HOME: empty,
      AMQP_URL: '',
    };
  });
  afterEach(() => setEnv(usualEnv));
  after(() => rmSync(empty, { recursive: true, force: true }));

  it('an unknown BROKER_SOURCE is an error that names the known ones', async () => {
    process.env['BROKER_SOURCE'] = 'kafka';
    const error = await outcome(startBroker());
    expect(error).to.be.instanceOf(BrokerSettingError);
    expect(String(error)).to.contain('kafka').and.to.contain('url, installed, docker, debian');
  });

  it('lists every source with its reason, and what would help', async () => {
    setEnv({ ...usualEnv, ...nothingThere, BROKER_SOURCE: '' });
    const lines: string[] = [];
    const error = await outcome(startBroker({ progress: (line) => lines.push(line) }));
    expect(error).to.be.instanceOf(BrokerUnavailableError);
    expect(String(error)).to.match(/installed +RABBITMQ_SERVER=\/nowhere/);
    expect(String(error)).to.match(/docker +no docker on the PATH/);
    expect(String(error)).to.match(/debian +(no apt-get on the PATH|this is neither Debian nor Ubuntu)/);
    expect(String(error))
      .to.match(/set AMQP_URL/)
      .and.to.match(/apt install rabbitmq-server/)
      .and.to.match(/install Docker/);
    expect(lines).to.have.length(3);
  });

  for (const source of ['url', 'installed', 'docker', 'debian']) {
    it(`BROKER_SOURCE=${source} tries nothing else`, async () => {
      setEnv({ ...usualEnv, ...nothingThere, BROKER_SOURCE: source });
      const error = await outcome(startBroker());
      expect(error).to.be.instanceOf(BrokerUnavailableError);
      expect(String(error).match(/^ {2}\w+ /gm)).to.deep.equal([`  ${source} `]);
    });
  }

  it('on the command line: says so on stderr, without a stack, and exits with 69', async () => {
    const cli = new Cli([], { ...usualEnv, ...nothingThere, BROKER_SOURCE: 'docker' });
    const [code] = await once(cli.process, 'close');
    expect(code).to.equal(69);
    expect(cli.said).to.contain('no docker on the PATH').and.not.to.contain('    at ');
  });

  it('on the command line: an unknown option is explained, with exit code 64', async () => {
    const cli = new Cli(['--dta', 'x'], usualEnv);
    const [code] = await once(cli.process, 'close');
    expect(code).to.equal(64);
    expect(cli.said).to.contain("'--dta'").and.to.contain('usage: npm run -s broker');
  });
});

class Cli {
  readonly process: ChildProcessByStdio<null, Readable, Readable>;
  /** On stderr. */
  said = '';
  /** On stdout. */
  printed = '';

  constructor(args: readonly string[], env: NodeJS.ProcessEnv) {
    this.process = spawn(process.execPath, [CLI, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    this.process.stdout.on('data', (chunk: Buffer) => {
      this.printed += chunk.toString();
    });
    this.process.stderr.on('data', (chunk: Buffer) => {
      this.said += chunk.toString();
    });
  }

  async url(): Promise<string> {
    await eventually(
      'the url on stdout',
      () => {
        if (this.process.exitCode !== null) throw new Error(`the broker command ended: ${this.said}`);
        return this.printed.includes('\n') ? undefined : this.said;
      },
      120_000,
    );
    return this.printed.trim();
  }

  says(text: string): Promise<void> {
    return eventually(`'${text}' on stderr`, () => (this.said.includes(text) ? undefined : this.said), 120_000);
  }

  async end(signal: NodeJS.Signals): Promise<number | null> {
    this.process.kill(signal);
    if (this.process.exitCode === null) await once(this.process, 'exit');
    return this.process.exitCode;
  }
}

async function publish(url: string, text: string): Promise<void> {
  const connection = await connect(url, { noDelay: true });
  const channel = await connection.createConfirmChannel();
  await channel.assertQueue(QUEUE, { durable: true });
  channel.sendToQueue(QUEUE, Buffer.from(text), { persistent: true });
  await channel.waitForConfirms();
  await connection.close();
}

async function take(url: string): Promise<string | undefined> {
  const connection = await connect(url, { noDelay: true });
  const channel = await connection.createChannel();
  const message = await channel.get(QUEUE, { noAck: true });
  await connection.close();
  return message === false ? undefined : message.content.toString();
}

/** One variable at a time: another object in the place of process.env would not reach what os.tmpdir() reads. */
function setEnv(wanted: NodeJS.ProcessEnv): void {
  for (const name of Object.keys(process.env)) if (!(name in wanted)) delete process.env[name];
  Object.assign(process.env, wanted);
}

/** What it was rejected with, or what it gave. */
async function outcome(work: Promise<unknown>): Promise<unknown> {
  return work.catch((error: unknown) => error);
}

/** Waits until `missing` says nothing any more; the error tells what it said last. */
async function eventually(what: string, missing: () => string | undefined, timeoutMs = GONE_TIMEOUT_MS): Promise<void> {
  const giveUpMs = Date.now() + timeoutMs;
  for (let last = missing(); last !== undefined; last = missing()) {
    if (Date.now() > giveUpMs) throw new Error(`waited ${timeoutMs / 1000} s for ${what}: ${last}`);
    await delay(50);
  }
}

/** By command line and environment; on Linux only, elsewhere none. Not this process. */
function processesThatMention(text: string): number[] {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry) && Number(entry) !== process.pid)
    .filter((pid) => readProc(pid, 'cmdline').includes(text) || readProc(pid, 'environ').includes(text))
    .map(Number);
}

function parentOf(pid: number): number {
  return Number(/^PPid:\s*(\d+)/m.exec(readProc(String(pid), 'status'))?.[1]);
}

function readProc(pid: string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
}

function containersOn(port: string): string[] {
  try {
    const filters = ['--filter', 'label=choreography-saga=broker', '--filter', `publish=${port}`];
    const listed = execFileSync('docker', ['ps', '--all', '--format', '{{.Names}}', ...filters], {
      encoding: 'utf8',
      stdio: 'pipe',
    });
    return listed.split('\n').filter((name) => name !== '');
  } catch {
    // no Docker, no containers
    return [];
  }
}

/** The volume that Docker keeps for a given folder is the user's to remove, and here the user is this test. */
async function removeVolume(broker: Broker, dataDir: string): Promise<void> {
  await broker.stop();
  removeVolumeIn(dataDir);
}

function removeVolumeIn(dataDir: string): void {
  const file = join(dataDir, 'docker-volume');
  if (!existsSync(file)) return;
  execFileSync('docker', ['volume', 'rm', readFileSync(file, 'utf8').trim()], { stdio: 'pipe' });
}
