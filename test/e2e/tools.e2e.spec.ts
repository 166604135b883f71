// `npm start` and `npm run demo` as processes: what they print is true, what dies comes back, and nothing is left behind.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { freePorts } from '../../local/broker/free-ports.ts';
import { newVhost } from '../support/broker.ts';
import { eventually } from '../support/wait.ts';

const run = promisify(execFile);
const services = ['order-service', 'payment-service', 'inventory-service'];

class Tool {
  readonly process: ChildProcess;
  output = '';

  constructor(name: 'start' | 'demo', args: readonly string[], env: Readonly<Record<string, string>>) {
    const file = fileURLToPath(new URL(`../../tools/${name}.js`, import.meta.url));
    this.process = spawn(process.execPath, [file, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      // The tests' broker serves these too: nothing has to boot, and nothing of it stays.
      env: { ...process.env, BROKER_SOURCE: '', HOST: '', LOG_LEVEL: '', ...env },
    });
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.output += text;
      });
    }
  }

  async exitCode(): Promise<number | null> {
    if (this.process.exitCode === null && this.process.signalCode === null) await once(this.process, 'close');
    return this.process.exitCode;
  }

  says(text: string): Promise<unknown> {
    return eventually(
      `'${text}'`,
      () => this.output,
      (output) => output.includes(text),
    );
  }

  /** The one that it named last. */
  pidOf(service: string): number {
    const pids = [...this.output.matchAll(new RegExp(`${service} .*pid (\\d+)\\.?$`, 'gm'))];
    return Number(pids.at(-1)?.[1]);
  }
}

describe('npm start', function () {
  this.timeout(60_000);
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
    };
    start = new Tool('start', [], env);
    await start.says('Ctrl-C stops everything');
  });
  after(async () => {
    start?.process.kill('SIGKILL');
    await start?.exitCode();
    // Services that lost their parent end by themselves; until then they write there.
    await eventually('the services to end', () => services.every((service) => !runs(start.pidOf(service))));
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
    const second = new Tool('start', [], { ...env, DATA_DIR: otherDir });
    expect(await second.exitCode()).to.equal(1);
    expect(second.output).to.include(`Port ${env['PAYMENT_PORT']}, for payment-service, is taken`);
    expect(second.output).to.include('payment-service runs there already');
    expect(second.output).to.match(/ORDER_PORT=\d+ PAYMENT_PORT=\d+ INVENTORY_PORT=\d+ npm start/);
    expect(existsSync(otherDir)).to.equal(false);
  });

  it('refuses a port that is none', async () => {
    const second = new Tool('start', [], { ...env, ORDER_PORT: '70000' });
    expect(await second.exitCode()).to.equal(1);
    expect(second.output).to.include('ORDER_PORT=70000 is wrong: it must be a port, from 1 to 65535');
  });

  it('starts a service again that was killed, and says so', async () => {
    const pid = start.pidOf('payment-service');
    process.kill(pid, 'SIGKILL');
    await start.says(`payment-service (pid ${pid}) ended: SIGKILL`);
    await start.says('payment-service runs again');
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

  it('stops everything at Ctrl-C, with exit code 0', async () => {
    const pids = services.map((service) => start.pidOf(service));
    start.process.kill('SIGINT');
    expect(await start.exitCode(), start.output).to.equal(0);
    expect(pids.filter(runs)).to.deep.equal([]);
    expect(start.output).to.include('Stopped.');
    expect(start.output).to.not.include('WARN');
  });

  it('refuses arguments it does not know', async () => {
    const second = new Tool('start', ['--port', '1'], env);
    expect(await second.exitCode()).to.equal(2);
    expect(second.output).to.include("Unknown option '--port'");
  });
});

describe('npm run demo', function () {
  this.timeout(120_000);

  it('ends with every outcome as announced and the totals balanced, and tells how long a saga takes', async () => {
    const demo = new Tool('demo', [], { AMQP_URL: await newVhost() });
    expect(await demo.exitCode(), demo.output).to.equal(0);
    expect(demo.output).to.match(/^All \d+ outcomes were as announced\.$/m);
    expect(demo.output).to.include('orders of which the services tell different stories: announced 0, came 0');
    expect(demo.output.trim().split('\n').at(-1)).to.match(/^One saga alone, .*: p50 [\d.]+ ms, p99 [\d.]+ ms$/);
    // Not a terminal: no colours.
    expect(demo.output).to.not.include('\u001b');
  });

  it('refuses arguments it does not know', async () => {
    const demo = new Tool('demo', ['--slow'], {});
    expect(await demo.exitCode()).to.equal(2);
    expect(demo.output).to.include("Unknown option '--slow'").and.to.include('npm run demo');
  });
});

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
