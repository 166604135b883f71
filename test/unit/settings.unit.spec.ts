// Settings from the environment: each wrong one is named with what is right.
import { expect } from 'chai';
import { readSettings, SettingsError } from '../../shared/runtime/process/settings.ts';

const defaults = { PORT: '3001', DATABASE_PATH: 'data/test.db' };

function read(env: NodeJS.ProcessEnv) {
  return readSettings(env, defaults);
}

function complaint(env: NodeJS.ProcessEnv): string {
  try {
    read(env);
  } catch (error) {
    expect(error).to.be.instanceOf(SettingsError);
    return (error as Error).message;
  }
  return expect.fail(`no complaint about ${JSON.stringify(env)}`);
}

describe('the settings of a service', () => {
  it('have a default each', () => {
    expect(read({})).to.deep.equal({
      AMQP_URL: 'amqp://localhost:5672',
      PORT: 3001,
      HOST: '127.0.0.1',
      DATABASE_PATH: 'data/test.db',
      LOG_LEVEL: 'info',
      PREFETCH: 300,
      EVENT_BATCH_MAX: 100,
      OUTBOX_MAX: 100_000,
      SHUTDOWN_MS: 10_000,
      RECONCILE_INTERVAL_MS: 10_000,
      JOURNAL_RETENTION_MS: 30 * 86_400_000,
      ORDER_DEADLINE_MS: 30_000,
      CATALOGUE: 'hybrid',
      ROLE: 'all',
      serviceUrls: {},
    });
  });

  it('are those of the environment where it says something', () => {
    expect(read({ PORT: '0', AMQP_URL: 'amqps://u:p@rabbit/vhost', LOG_LEVEL: 'silent' })).to.include({
      PORT: 0,
      AMQP_URL: 'amqps://u:p@rabbit/vhost',
      LOG_LEVEL: 'silent',
    });
  });

  it('take an empty variable for one that is not set', () => {
    expect(read({ PORT: '', AMQP_URL: '', HOST: '' })).to.deep.equal(read({}));
  });

  it('ignore the rest of the environment', () => {
    expect(read({ PATH: '/usr/bin', PORT_2: 'x' })).to.deep.equal(read({}));
  });

  const wrong: readonly [name: string, values: readonly string[], right: RegExp][] = [
    ['PORT', ['-1', 'http', '3001.5', ' 3001', '0x10', '1e3'], /whole number from 0 to 65535/],
    ['PORT', ['65536', '99999999999999999999'], /at most 65535/],
    ['AMQP_URL', ['http://localhost', 'localhost:5672', 'amqp://', 'amqp://a b'], /amqp:\/\/user:password@host:5672/],
    ['LOG_LEVEL', ['loud', 'INFO'], /silent, error, warn, info, debug/],
    ['PREFETCH', ['0'], /at least 1/],
    ['PREFETCH', ['10001'], /at most 10000/],
    ['OUTBOX_MAX', ['0'], /at least 1/],
    ['SHUTDOWN_MS', ['600001'], /at most 600000/],
    ['RECONCILE_INTERVAL_MS', ['99'], /at least 100/],
    ['JOURNAL_RETENTION_MS', ['172799999'], /at least 172800000/],
    ['ORDER_DEADLINE_MS', ['99'], /at least 100/],
    ['PAYMENT_SERVICE_URL', ['payment:3002', 'http://a,', 'http://?x'], /must look like http:\/\/host:3002/],
    ['ORDER_DEADLINE_MS', ['soon'], /whole number from 100 to 86400000/],
  ];
  for (const [name, values, right] of wrong)
    for (const value of values)
      it(`are refused when ${name} is '${value}', with what is right`, () => {
        const message = complaint({ [name]: value });
        expect(message)
          .to.match(new RegExp(`^ {2}${name}: `, 'm'))
          .and.match(right);
        if (name !== 'AMQP_URL') expect(message).to.include(`'${value}'`);
      });

  it('are accepted at both ends of their ranges', () => {
    expect(read({ PORT: '65535', PREFETCH: '1', ORDER_DEADLINE_MS: '100', SHUTDOWN_MS: '0' }).PORT).to.equal(65_535);
    expect(read({ PREFETCH: '10000', ORDER_DEADLINE_MS: '86400000' }).PREFETCH).to.equal(10_000);
  });

  it('give the addresses of other services, several for processes that share a journal', () => {
    const env = {
      PAYMENT_SERVICE_URL: 'http://a:3002/, https://b',
      NEW_SHIPPING_SERVICE_URL: 'http://c',
      SERVICE_URL: 'x',
    };
    expect(read(env).serviceUrls).to.deep.equal({
      'payment-service': ['http://a:3002', 'https://b'],
      'new-shipping-service': ['http://c'],
    });
  });

  it('are all named when several are wrong at once, one line each', () => {
    const message = complaint({ PORT: 'x', LOG_LEVEL: 'x', AMQP_URL: 'x' });
    const names = [...message.matchAll(/^ {2}([A-Z_]+): /gm)].map(([, name]) => name);
    expect(names.sort()).to.deep.equal(['AMQP_URL', 'LOG_LEVEL', 'PORT']);
  });

  it('never show the password of the broker', () => {
    for (const url of ['http://guest:hunter2@rabbit', 'amqp://guest:hunter2@rabbit with a space', 'hunter2'])
      expect(complaint({ AMQP_URL: url, PORT: 'x' })).to.not.include('hunter2');
  });
});
