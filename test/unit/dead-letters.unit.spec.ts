// The command line, the filters and the texts of `npm run dead-letters`, and where it finds the broker.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { takeLock } from '../../local/broker/lock-file.ts';
import { findBroker, urlOf } from '../../local/find-broker.ts';
import { noteBroker } from '../../local/running-broker.ts';
import { commandFrom } from '../../tools/dead-letters/arguments.ts';
import { matches, sinceFrom } from '../../tools/dead-letters/filter.ts';
import { factsOf, isCalled } from '../../tools/dead-letters/letter.ts';
import { groupLines, letterJson, wholeText } from '../../tools/dead-letters/letter-text.ts';
import { originalProperties } from '../../tools/dead-letters/redrive.ts';
import { Summary } from '../../tools/dead-letters/summary.ts';

const nowMs = Date.parse('2026-11-21T12:00:00Z');
const services = ['order-service', 'payment-service'];
const command = (...args: string[]) => commandFrom(args, services, nowMs);
const event = { id: 'e-1', type: 'order.placed', subject: 'o-1' };

function letter(body: unknown, headers: object = {}, properties: object = {}) {
  const content = Buffer.isBuffer(body) ? body : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
  return { content, properties: { headers, ...properties } } as never;
}

describe('the command line of dead-letters', () => {
  it('takes all services when list names none, and counts when it has no limit', () => {
    expect(command('list'))
      .to.include({ name: 'list', limit: undefined, json: false })
      .and.to.deep.include({ services });
    expect(command('list', 'payment-service', '--limit', '5')).to.deep.include({
      services: ['payment-service'],
      limit: 5,
    });
  });

  it('takes filters and a limit for redrive and discard', () => {
    const filters = ['--reason', 'r', '--type', 't', '--subject', 's', '--since', '2h', '--limit', '1'];
    const filter = { reason: 'r', type: 't', subject: 's', sinceMs: nowMs - 7_200_000 };
    expect(command('redrive', 'order-service', ...filters)).to.deep.include({ filter, limit: 1 });
    expect(command('discard', 'order-service', ...filters)).to.deep.include({ filter, yes: false, to: undefined });
  });

  const wrong: readonly (readonly [args: string[], message: RegExp])[] = [
    [[], /first word must be/],
    [['redrive'], /redrive needs the name of a service/],
    [['show', 'order-service'], /show needs the id of a letter/],
    [['list', 'nobody'], /no service 'nobody'/],
    [['list', 'order-service', 'payment-service'], /what is 'payment-service'/],
    [['list', '--yes'], /list does not know --yes/],
    [['redrive', 'order-service', '--to', 'file'], /redrive does not know --to/],
    [['list', '--limit', '0'], /--limit 0 is wrong/],
    [['list', '--since', 'yesterday'], /--since yesterday is wrong/],
    [['list', '--cause', 'x'], /Unknown option '--cause'/],
  ];
  for (const [args, message] of wrong) {
    it(`refuses: ${args.join(' ') || 'nothing'}`, () => {
      expect(() => command(...args)).to.throw(message);
    });
  }

  it('reads --since as a duration, a day or a time, in UTC where it names no offset', () => {
    expect(sinceFrom('90s', nowMs)).to.equal(nowMs - 90_000);
    expect(sinceFrom('2026-11-21', nowMs)).to.equal(Date.parse('2026-11-21T00:00:00Z'));
    expect(sinceFrom('2026-11-21T10:00', nowMs)).to.equal(Date.parse('2026-11-21T10:00:00Z'));
    expect(sinceFrom('2026-11-21T10:00:00+01:00', nowMs)).to.equal(Date.parse('2026-11-21T09:00:00Z'));
  });
});

describe('a dead letter', () => {
  it('is matched only when it meets every filter; one millisecond before --since it does not', () => {
    const facts = factsOf(letter(event, { 'x-cause': 'wrong-data', 'x-dead-lettered-at': '2026-11-21T12:00:00.000Z' }));
    const meets = { reason: 'wrong-data', type: 'order.placed', subject: 'o-1', sinceMs: nowMs };
    expect(matches(meets, facts)).to.equal(true);
    for (const other of [{ reason: 'x' }, { type: 'x' }, { subject: 'x' }, { sinceMs: nowMs + 1 }]) {
      expect(matches({ ...meets, ...other }, facts), JSON.stringify(other)).to.equal(false);
    }
    expect(matches({ sinceMs: 0 }, factsOf(letter(event))), 'without a time').to.equal(false);
  });

  it('has the reason and the time of the broker when that moved it', () => {
    const deaths = [{ time: { '!': 'timestamp', value: nowMs / 1_000 } }];
    const facts = factsOf(letter('x', { 'x-first-death-reason': 'rejected', 'x-death': deaths }));
    expect(facts).to.include({ reason: 'rejected', deadLetteredAt: '2026-11-21T12:00:00.000Z', type: undefined });
  });

  it('can be named also when it has no id, and by the id of its event', () => {
    const { letterId } = factsOf(letter('{'));
    expect(letterId).to.match(/^[0-9a-f]{32}$/);
    const facts = factsOf(letter(event, {}, { messageId: 'm-1' }));
    expect(['m-1', 'e-1', 'e-2'].map((id) => isCalled(id, facts))).to.deep.equal([true, true, false]);
  });

  it('is kept byte for byte as JSON, also when it is not UTF-8', () => {
    const parse = (line: string): Record<string, unknown> => JSON.parse(line);
    expect(parse(letterJson('s', letter('{"a":1.0}')))).to.include({ bodyEncoding: 'utf8', body: '{"a":1.0}' });
    expect(parse(letterJson('s', letter(Buffer.from([0xff, 0]))))).to.include({ bodyEncoding: 'base64', body: '/wA=' });
  });

  it('is indented only where that changes no value', () => {
    expect(wholeText(letter('{"a":[1]}'))).to.include('"a": [');
    expect(wholeText(letter('{"a":1.0}'))).to.include('{"a":1.0}');
  });

  it('gets the properties back that it had, without one that does not fit into 255 bytes', () => {
    const headers = { 'x-cause': 'r', 'x-original-content-type': 'é'.repeat(128), 'x-original-message-id': 'e-1' };
    const properties = originalProperties(letter(event, headers, { messageId: 'm-1', type: 'a.dead-letters' }));
    expect(properties).to.deep.equal({
      persistent: true,
      messageId: 'e-1',
      type: 'order.placed',
      correlationId: 'o-1',
    });
    const short = { ...headers, 'x-original-content-type': `${'é'.repeat(127)}x` };
    expect(originalProperties(letter(event, short))).to.have.property('contentType', `${'é'.repeat(127)}x`);
  });
});

describe('the count of dead letters', () => {
  it('has the largest group first, each with its oldest time', () => {
    const summary = new Summary();
    for (const [reason, at] of [
      ['a', '2026-01-02'],
      ['b', '2026-01-04'],
      ['b', '2026-01-03'],
    ]) {
      summary.add(factsOf(letter(event, { 'x-cause': reason, 'x-dead-lettered-at': `${at}T00:00:00.000Z` })));
    }
    expect(groupLines(summary.groups())).to.deep.equal([
      '  count  reason  event type    oldest',
      '      2  b       order.placed  2026-01-03T00:00:00.000Z',
      '      1  a       order.placed  2026-01-02T00:00:00.000Z',
    ]);
  });

  it('puts all groups after the 500th together, and loses none of their letters', () => {
    const summary = new Summary();
    for (let number = 0; number < 600; number += 1) summary.add(factsOf(letter(event, { 'x-cause': `r${number}` })));
    const groups = summary.groups();
    expect(groups).to.have.length(501);
    expect(groups[0]).to.include({ reason: '(others)', count: 100 });
    expect(groups.reduce((sum, { count }) => sum + count, 0)).to.equal(600);
  });
});

describe('the broker of a command', () => {
  const running = { source: 'installed', url: 'amqp://guest:guest@127.0.0.1:12345', description: 'RabbitMQ' } as never;
  let dataDir: string;
  beforeEach(() => {
    dataDir = mkdtempSync(join(tmpdir(), 'find-broker-'));
  });
  afterEach(() => rmSync(dataDir, { recursive: true }));

  it('is that of AMQP_URL, shown without its password', async () => {
    const found = await findBroker(false, {
      AMQP_URL: 'amqp://me:se%40cret@rabbit/%2fx?heartbeat=5',
      DATA_DIR: dataDir,
    });
    expect(found.description).to.equal('amqp://me:***@rabbit/%2fx (AMQP_URL)');
    const error = await findBroker(false, { AMQP_URL: 'http://me:secret@x' }).catch(String);
    expect(error)
      .to.match(/AMQP_URL is wrong/)
      .and.to.not.include('secret');
  });

  it('is that of the data folder only while the system runs there', async () => {
    noteBroker(dataDir, running);
    expect((await findBroker(false, { DATA_DIR: dataDir })).url).to.equal('amqp://localhost:5672');
    const lock = await takeLock(join(dataDir, 'system.lock'));
    const found = await findBroker(false, { DATA_DIR: dataDir });
    lock.release();
    expect(found.url).to.equal('amqp://guest:guest@127.0.0.1:12345');
    expect(found.description).to.include('npm start').and.to.not.include('guest:guest');
  });

  it('is named by its user when npm start was given one: its password is not kept', async () => {
    noteBroker(dataDir, { source: 'url', url: 'amqp://me:secret@x', description: 'RabbitMQ' } as never);
    const lock = await takeLock(join(dataDir, 'system.lock'));
    const error = await findBroker(false, { DATA_DIR: dataDir }).catch(String);
    lock.release();
    expect(error).to.match(/uses the broker of its AMQP_URL: set the same one here/);
  });

  it('is found in what Docker says of the container of compose', () => {
    const container = (running: boolean, ports: object | null) =>
      JSON.stringify([
        {
          State: { Running: running },
          Config: { Env: ['RABBITMQ_DEFAULT_USER=saga', 'RABBITMQ_DEFAULT_PASS=s@ga'] },
          NetworkSettings: { Ports: { '5672/tcp': ports } },
        },
      ]);
    const ports = [{ HostIp: '127.0.0.1', HostPort: '49153' }];
    expect(urlOf(container(true, ports), 'docker compose')).to.equal('amqp://saga:s%40ga@127.0.0.1:49153');
    expect(() => urlOf(container(true, null), 'docker compose')).to.throw(/does not publish port 5672/);
    expect(() => urlOf(container(false, ports), 'docker compose')).to.throw(/not running: docker compose up -d/);
  });
});
