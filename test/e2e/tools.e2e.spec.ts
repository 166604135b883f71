// `npm start` and `npm run demo` as processes: what they print is true, what dies is started again, and nothing is left behind.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { connect } from 'amqplib';
import { expect } from 'chai';
import { freePorts } from '../../local/broker/free-ports.ts';
import { newVhost } from '../support/broker.ts';
import { eventually } from '../support/wait.ts';

const run = promisify(execFile);
const projectDir = fileURLToPath(new URL('../../..', import.meta.url));
const services = ['order-service', 'payment-service', 'inventory-service'];

class Tool {
  readonly process: ChildProcess;
  output = '';

  constructor(file: string, args: readonly string[], env: Readonly<Record<string, string>>) {
    this.process = spawn(file, args, {
      cwd: projectDir,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, HOST: '', LOG_LEVEL: '', ...env },
    });
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.output += text;
      });
    }
  }

  /** What an npm script runs, without npm; on the tests' broker where the environment names no other: nothing has to boot. */
  static node(name: 'start' | 'demo', args: readonly string[], env: Readonly<Record<string, string>>): Tool {
    const file = fileURLToPath(new URL(`../../tools/${name}.js`, import.meta.url));
    return new Tool(process.execPath, [file, ...args], { BROKER_SOURCE: '', ...env });
  }

  async exitCode(): Promise<number | null> {
    if (this.process.exitCode === null && this.process.signalCode === null) await once(this.process, 'close');
    return this.process.exitCode;
  }

  prints(text: string, timeoutMs?: number): Promise<unknown> {
    return eventually(
      `'${text}'`,
      () => this.output,
      (output) => output.includes(text),
      timeoutMs,
    );
  }

  /** The one that it named last as running. */
  pidOf(service: string): number {
    const pids = [...this.output.matchAll(new RegExp(`${service} .*pid (\\d+)(?!.* ended)\\b`, 'g'))];
    return Number(pids.at(-1)?.[1]);
  }

  get servicePids(): number[] {
    return services.map((service) => this.pidOf(service)).filter((pid) => !Number.isNaN(pid));
  }

  /** For the end of a test: ends it, and waits until its services have noticed that. */
  async killAndWait(): Promise<void> {
    this.process.kill('SIGKILL');
    await this.exitCode();
    await eventually('the services to end', () => !this.servicePids.some(runs));
  }
}

describe('npm start', function () {
  this.timeout(240_000);
  let dataDir: string;
  let env: Record<string, string>;
  let start: Tool;

  before(async () => {
    dataDir = mkdtempSync(join(tmpdir(), 'saga-start-'));
    const [order, payment, inventory] = await freePorts(3);
    env = {
      AMQP_URL: await newVhost(),
      DATA_DIR: dataDir,
      ORDER_PORT: String(order),
      PAYMENT_PORT: String(payment),
      INVENTORY_PORT: String(inventory),
      OBSERVER_PORT: '0',
    };
    start = Tool.node('start', [], env);
    await start.prints('Ctrl-C stops everything');
  });
  after(async () => {
    // Services that lost their parent end by themselves; until then they write there.
    await start?.killAndWait();
    rmSync(dataDir, { recursive: true, force: true });
  });

  it('prints where each service is, and its process id', () => {
    for (const [service, variable] of [
      ['order-service', 'ORDER_PORT'],
      ['payment-service', 'PAYMENT_PORT'],
      ['inventory-service', 'INVENTORY_PORT'],
    ] as const) {
      expect(start.output).to.match(new RegExp(`${service} +http://127\\.0\\.0\\.1:${env[variable]} +pid \\d+`));
      expect(runs(start.pidOf(service)), service).to.equal(true);
    }
  });

  it('prints three curl lines that work as they stand', async function () {
    if (!(await works('curl', '--version'))) this.skip();
    const lines = start.output.split('\n').filter((line) => line.startsWith('curl '));
    expect(lines).to.have.lengthOf(3);
    const answers: Record<string, unknown>[] = [];
    for (const line of lines) answers.push(JSON.parse((await run('sh', ['-c', line])).stdout));
    const [placed, timeline, short] = answers;
    expect(placed).to.include({ userId: 'alice', status: 'confirmed' });
    expect(timeline).to.include({ orderId: placed?.['orderId'], status: 'confirmed' });
    expect(timeline?.['events']).to.have.lengthOf(4);
    expect(short).to.include({ userId: 'alice', total: 15_000 });
  });

  it('refuses ports that are taken, says by whom and what to do, and leaves nothing behind', async () => {
    const otherDir = join(dataDir, 'other');
    const second = Tool.node('start', [], { ...env, DATA_DIR: otherDir });
    expect(await second.exitCode()).to.equal(1);
    expect(second.output).to.include(`Port ${env['PAYMENT_PORT']}, for payment-service, is taken`);
    expect(second.output).to.include('payment-service is already running there');
    expect(second.output).to.match(/ORDER_PORT=\d+ PAYMENT_PORT=\d+ INVENTORY_PORT=\d+ npm start/);
    expect(existsSync(otherDir)).to.equal(false);
  });

  it('refuses at once a data folder that another one uses, and says who uses it and what to do', async () => {
    const [order, payment, inventory] = await freePorts(3);
    const ports = { ORDER_PORT: `${order}`, PAYMENT_PORT: `${payment}`, INVENTORY_PORT: `${inventory}` };
    for (const second of [Tool.node('start', [], { ...env, ...ports }), Tool.node('start', [], env)]) {
      expect(await second.exitCode()).to.equal(1);
      expect(second.output).to.include(`The data folder ${dataDir} is in use by process ${start.process.pid}`);
      expect(second.output).to.match(/DATA_DIR=\S+2 ORDER_PORT=\d+ PAYMENT_PORT=\d+ INVENTORY_PORT=\d+ npm start/);
      expect(second.output).to.not.include('broker');
    }
  });

  it('refuses a port that is none', async () => {
    const second = Tool.node('start', [], { ...env, ORDER_PORT: '70000' });
    expect(await second.exitCode()).to.equal(1);
    expect(second.output).to.include('ORDER_PORT=70000 is wrong: it must be a port number from 1 to 65535');
  });

  it('starts a service again that was killed, and says so', async () => {
    const pid = start.pidOf('payment-service');
    process.kill(pid, 'SIGKILL');
    await start.prints(`payment-service (pid ${pid}) ended: SIGKILL`);
    await start.prints('is running again');
    expect(start.pidOf('payment-service')).to.not.equal(pid);
    const answer = await fetch(`http://127.0.0.1:${env['PAYMENT_PORT']}/accounts/carol`);
    expect(await answer.json()).to.include({ userId: 'carol', blocked: true });
  });

  it('keeps whole logs in the data folder, and shows only what is worth a look', () => {
    const lines = readFileSync(join(dataDir, 'logs', 'order-service.log'), 'utf8')
      .trim()
      .split('\n');
    expect(lines.map((line) => JSON.parse(line).msg)).to.include('started');
    expect(start.output).to.not.include('"msg"');
  });

  it('serves the live page at the address that it prints, and does without one that dies', async () => {
    const pageUrl = () => [...start.output.matchAll(/live page\S* +(http:\S+)/g)].at(-1)?.[1] ?? '';
    const page = await fetch(pageUrl());
    expect(page.headers.get('content-type')).to.include('text/html');
    const options = (await (await fetch(`${pageUrl()}/api/try`)).json()) as { controls: { services: string[] } };
    expect(options.controls.services, 'what can be stopped from the page').to.have.members(services);
    const { stdout } = await run('ps', ['-o', 'pid=,args=', '--ppid', String(start.process.pid)]);
    const pid = Number(/^ *(\d+) .*observer\/main\.js/m.exec(stdout)?.[1]);
    process.kill(pid, 'SIGKILL');
    await start.prints(`observer (pid ${pid}) ended: SIGKILL`);
    await eventually('the page to be served again', async () => (await fetch(pageUrl())).ok);
    expect(start.servicePids.every(runs), 'the services').to.equal(true);
  });

  it('stops everything at Ctrl-C, with exit code 0', async () => {
    const pids = services.map((service) => start.pidOf(service));
    start.process.kill('SIGINT');
    expect(await start.exitCode(), start.output).to.equal(0);
    expect(pids.filter(runs)).to.deep.equal([]);
    expect(start.output).to.include('Stopped.');
    expect(start.output).to.not.include('WARN');
  });

  it('refuses arguments it does not know', async () => {
    const second = Tool.node('start', ['--port', '1'], env);
    expect(await second.exitCode()).to.equal(2);
    expect(second.output).to.include("Unknown option '--port'");
  });

  it('refuses broker nodes of which no majority is left when one is lost, and those of a given broker', async () => {
    const two = Tool.node('start', ['--broker-nodes', '2'], env);
    expect(await two.exitCode()).to.equal(2);
    expect(two.output).to.include('--broker-nodes must be 1, 3 or 5');
    const other = mkdtempSync(join(tmpdir(), 'saga-start-'));
    const [order = '', payment = '', inventory = ''] = (await freePorts(3)).map(String);
    const own = { DATA_DIR: other, ORDER_PORT: order, PAYMENT_PORT: payment, INVENTORY_PORT: inventory };
    const given = Tool.node('start', ['--broker-nodes', '3'], { ...env, ...own });
    expect(await given.exitCode()).to.equal(1);
    expect(given.output).to.include('not with 3 nodes: AMQP_URL names a broker that runs already');
    rmSync(other, { recursive: true });
  });
});

describe('npm start, killed with -9', function () {
  this.timeout(240_000);
  let dataDir: string;
  let start: Tool | undefined;

  before(() => {
    dataDir = mkdtempSync(join(tmpdir(), 'saga-start-'));
  });
  after(async () => {
    await start?.killAndWait();
    rmSync(dataDir, { recursive: true, force: true });
  });

  it('leaves no service behind; the next one takes over its data folder, and stops in order when its npm is killed', async () => {
    const [order, payment, inventory] = await freePorts(3);
    const env = {
      AMQP_URL: await newVhost(),
      BROKER_SOURCE: '',
      DATA_DIR: dataDir,
      ORDER_PORT: String(order),
      PAYMENT_PORT: String(payment),
      INVENTORY_PORT: String(inventory),
      OBSERVER_PORT: '0',
    };
    start = Tool.node('start', [], env);
    await start.prints('Ctrl-C stops everything');
    await start.killAndWait();
    // No prestart: what is compiled is what is tested.
    start = new Tool('npm', ['start', '--ignore-scripts'], env);
    await start.prints('Ctrl-C stops everything');
    start.process.kill('SIGKILL');
    await start.prints('Stopped. The data folder keeps everything');
    expect(start.servicePids).to.have.lengthOf(3);
    expect(start.servicePids.filter(runs)).to.deep.equal([]);
  });
});

describe('npm run dev', function () {
  this.timeout(240_000);
  let place: string;
  let copy: string;
  let dev: Tool;

  before(async () => {
    // A copy: what a test changes must not be what somebody works on. TypeScript watches no folder that is as close to
    // the root as /tmp/x.
    place = mkdtempSync(join(tmpdir(), 'saga-dev-'));
    copy = join(place, 'checkout');
    const parts = [
      'package.json',
      'tsconfig.json',
      'services.ts',
      'shared',
      'local',
      'tools',
      'simulator',
      'observer',
      'dist',
      ...services,
    ];
    for (const part of parts)
      cpSync(join(projectDir, part), join(copy, part), { recursive: true, preserveTimestamps: true });
    symlinkSync(realpathSync(join(projectDir, 'node_modules')), join(copy, 'node_modules'));
    const [order, payment, inventory] = await freePorts(3);
    dev = new Tool(process.execPath, [join(copy, 'dist', 'tools', 'dev.js')], {
      AMQP_URL: await newVhost(),
      BROKER_SOURCE: '',
      DATA_DIR: join(copy, 'data'),
      ORDER_PORT: String(order),
      PAYMENT_PORT: String(payment),
      INVENTORY_PORT: String(inventory),
    });
    // The first compilation checks the whole project: ten seconds of a processor that others use, too.
    await dev.prints('Watching for changes', 100_000);
  });
  after(async () => {
    await dev?.killAndWait();
    rmSync(place, { recursive: true, force: true, maxRetries: 10 });
  });

  it('restarts the services when a source has changed and compiled', async () => {
    const before = dev.servicePids;
    appendFileSync(join(copy, 'order-service', 'main.ts'), '\nexport {};\n');
    await dev.prints('Compiled. Restarting the services');
    await eventually(
      'every service to run again',
      () => dev.output.match(/-service .*is running again/g)?.length === 3,
    );
    expect(dev.servicePids).to.have.lengthOf(3);
    expect(dev.servicePids.filter((pid) => before.includes(pid))).to.deep.equal([]);
    expect(before.filter(runs)).to.deep.equal([]);
    expect(dev.output).to.not.include('ended:');
  });

  it('restarts only what serves the live page when its styles are saved', async () => {
    const before = dev.servicePids;
    appendFileSync(join(copy, 'observer', 'page', 'styles.css'), '\n');
    await dev.prints('The live page has changed');
    expect(dev.servicePids).to.deep.equal(before);
  });

  it('leaves the services as they are when a change does not compile, and shows why', async () => {
    const before = dev.servicePids;
    appendFileSync(join(copy, 'order-service', 'main.ts'), '\nconst wrong: number = "text";\n');
    await dev.prints('The services keep running the last version that compiled');
    expect(dev.output).to.match(/order-service\/main\.ts.*error TS2322/);
    expect(before.filter(runs)).to.deep.equal(before);
  });

  it('stops everything at Ctrl-C, the compiler too, with exit code 0', async () => {
    const compilers = descendantsOf(dev.process.pid ?? 0);
    if (process.platform === 'linux') expect(compilers).to.have.lengthOf.at.least(5);
    dev.process.kill('SIGINT');
    expect(await dev.exitCode(), dev.output).to.equal(0);
    await eventually('its processes to end', () => compilers.filter(runs).length === 0);
  });
});

describe('npm start with a broker of its own', function () {
  this.timeout(240_000);
  let dataDir: string;
  let start: Tool;

  before(async function () {
    if (process.env['AMQP_URL'] && !process.env['BROKER_SOURCE']) this.skip();
    dataDir = mkdtempSync(join(tmpdir(), 'saga-start-'));
    const [order, payment, inventory] = await freePorts(3);
    start = new Tool(process.execPath, ['dist/tools/start.js'], {
      AMQP_URL: '',
      DATA_DIR: dataDir,
      ORDER_PORT: String(order),
      PAYMENT_PORT: String(payment),
      INVENTORY_PORT: String(inventory),
    });
    await start.prints('Ctrl-C stops everything');
  });
  after(async () => {
    if (start === undefined) return;
    await start.killAndWait();
    await eventually('the broker to end', () => brokerPid() === undefined || !runs(brokerPid() ?? 0));
    rmSync(dataDir, { recursive: true, force: true, maxRetries: 10 });
  });

  it('starts a broker again that died, on the same port, and the services find it by themselves', async function () {
    const pid = brokerPid();
    // A container is not ours to kill with a signal.
    if (pid === undefined) this.skip();
    const url = /amqp:\/\/\S+/.exec(start.output)?.[0];
    process.kill(pid, 'SIGKILL');
    await start.prints('The broker ended: SIGKILL. Starting it again');
    await start.prints('The broker is running again');
    expect(brokerPid()).to.not.equal(pid);
    const [line = ''] = start.output.split('\n').filter((text) => text.startsWith('curl '));
    const order = /http:\S+\/orders/.exec(line)?.[0] ?? '';
    const body = { userId: 'alice', items: [{ productId: 'CATALOG-001', qty: 1 }] };
    const answer = await fetch(order, {
      method: 'POST',
      headers: { 'content-type': 'application/json', prefer: 'wait=30' },
      body: JSON.stringify(body),
    });
    expect(await answer.json()).to.include({ status: 'confirmed' });
    await (await connect(url ?? '')).close();
  });

  it('is followed by that broker when it is killed with -9', async () => {
    const pid = brokerPid();
    await start.killAndWait();
    if (pid !== undefined) await eventually('the broker to end', () => !runs(pid));
  });

  /** RabbitMQ's own process, out of the lock of its folder; undefined for a container. */
  function brokerPid(): number | undefined {
    const lock = readFileSync(join(dataDir, 'broker', 'broker.lock'), 'utf8');
    return Number(/"group":\{"pid":(\d+)/.exec(lock)?.[1]) || undefined;
  }
});

describe('npm run demo', function () {
  this.timeout(240_000);

  it('ends with every outcome as expected and the totals balanced, and shows how long a saga takes', async () => {
    const demo = Tool.node('demo', [], { AMQP_URL: await newVhost() });
    expect(await demo.exitCode(), demo.output).to.equal(0);
    expect(demo.output).to.match(/^All \d+ outcomes were as expected\.$/m);
    expect(demo.output).to.include('orders about which the services disagree: expected 0, got 0');
    expect(demo.output.trim().split('\n').at(-1)).to.match(/^One saga alone, .*: p50 [\d.]+ ms, p99 [\d.]+ ms$/);
    // Not a terminal: no colours.
    expect(demo.output).to.not.include('\u001b');
  });

  it('with several instances: ends with the same answers of all, byte for byte', async () => {
    const args = ['--order-instances', '3', '--orders', '60'];
    const demo = Tool.node('demo', args, { AMQP_URL: await newVhost() });
    expect(await demo.exitCode(), demo.output).to.equal(0);
    expect(demo.output).to.include('order-service.b is killed (kill -9)');
    expect(demo.output).to.include('order-service.d joins, with an empty database');
    expect(demo.output).to.include('order-service.c is killed, and its database deleted');
    expect(demo.output).to.include('60 of 60 orders accepted, 60 read back, 0 of them stale');
    expect(demo.output).to.include('different lists among a, b, c, d: expected 1, got 1');
    expect(demo.output).to.match(/^All \d+ outcomes were as expected\.$/m);
  });

  it('with several instances: stops everything at Ctrl-C, in the middle, with exit code 130', async () => {
    const demo = Tool.node('demo', ['--order-instances', '2', '--orders', '100000'], { AMQP_URL: await newVhost() });
    await demo.prints('of 100000 orders accepted', 60_000);
    const left = descendantsOf(demo.process.pid ?? 0);
    demo.process.kill('SIGINT');
    expect(await demo.exitCode(), demo.output).to.equal(130);
    expect(left.filter(runs)).to.deep.equal([]);
  });

  it('refuses arguments it does not know', async () => {
    const demo = Tool.node('demo', ['--slow'], {});
    expect(await demo.exitCode()).to.equal(2);
    expect(demo.output).to.include("Unknown option '--slow'").and.to.include('npm run demo');
  });
});

/** On Linux only, elsewhere none. */
function descendantsOf(pid: number): number[] {
  if (process.platform !== 'linux') return [];
  const parents = readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map((entry) => [Number(entry), parentOf(entry)] as const);
  const children = (of: number): number[] => parents.filter(([, parent]) => parent === of).map(([child]) => child);
  const found = children(pid);
  for (const child of found) found.push(...children(child));
  return found;
}

function parentOf(pid: string): number | undefined {
  try {
    return Number(/^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  } catch {
    return undefined;
  }
}

function runs(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function works(file: string, ...args: string[]): Promise<boolean> {
  return run(file, args).then(
    () => true,
    () => false,
  );
}
