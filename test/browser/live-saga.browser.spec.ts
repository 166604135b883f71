// The live page over the real services and a real RabbitMQ: orders that a visitor places, seen while they run and roll back.
import { connect } from 'amqplib';
import { expect } from 'chai';
import type { Browser } from 'playwright-core';
import { ControlServer } from '../../local/control-server.ts';
import { Supervisor, supervisedService } from '../../local/supervise.ts';
import { perService } from '../../services.ts';
import { testBroker } from '../support/broker.ts';
import { launchBrowser, WatchedPage } from '../support/browser.ts';
import { Observed } from '../support/observed.ts';
import { SagaSystem } from '../support/saga-system.ts';

describe('the live page, over the real system', function () {
  this.timeout(240_000);
  let browser: Browser;
  let system: SagaSystem;
  let control: ControlServer;
  let observed: Observed;
  let watched: WatchedPage;
  const stopping = new AbortController();

  before(async function () {
    browser = await launchBrowser(this);
    system = await SagaSystem.start();
    const services = perService((name) => system.services.find(({ service }) => service === name) ?? system.order);
    for (const service of system.services)
      void new Supervisor(supervisedService(service), () => {}, stopping.signal).run();
    control = await ControlServer.start({ services, broker: await testBroker() });
    const urls = perService((name) => services[name].url);
    observed = await Observed.start(urls, {
      AMQP_URL: system.amqpUrl,
      OBSERVER_CONTROL_URL: control.url,
      OBSERVER_CONTROL_TOKEN: control.token,
    });
  });
  after(async () => {
    stopping.abort();
    control?.stop();
    await observed?.stop();
    await system?.stop();
    await browser?.close();
  });
  beforeEach(async () => {
    watched = await WatchedPage.open(browser, `${observed.url}/#/try`);
  });
  afterEach(() => watched.close());

  const play = (name: string) => watched.page.getByRole('button', { name, exact: true }).click();
  const step = (type: string) => watched.page.locator('.step .type').getByText(type, { exact: true });

  it('"Order, no stock" rolls back before the eyes of the visitor', async () => {
    await play('Order, no stock');
    for (const type of [
      'order.placed',
      'payment.completed',
      'inventory.rejected',
      'payment.refunded',
      'order.cancelled',
    ])
      await step(type).waitFor();
    await watched.page.locator('.step.undone .type').getByText('payment.completed').waitFor();
    expect(await watched.page.locator('.undoing').count()).to.equal(1);
    await watched.page.locator('.saga-title .state.cancelled').waitFor();
    expect(await watched.violations()).to.deep.equal([]);
  });

  it('"Order" is confirmed, and "Order, no money" is cancelled with nothing to undo', async () => {
    await play('Order');
    await step('order.confirmed').waitFor();
    await play('Order, no money');
    await step('payment.failed').waitFor();
    await step('order.cancelled').waitFor();
    expect(await watched.page.locator('.undoing').count()).to.equal(0);
  });

  it('"Order, deadline passes" shows what must come next while the service is away, and how it is undone', async () => {
    await play('Order, deadline passes');
    await watched.page.locator('.next-step.must', { hasText: 'payment.completed' }).waitFor();
    await step('order.withdrawn').waitFor();
    await watched.page.locator('.next-step.must', { hasText: 'payment.voided' }).waitFor();
    await step('order.cancelled').waitFor();
    expect(await watched.page.locator('.next-step').count()).to.equal(0);
  });

  it('a killed service is away, then back, and the order that waited for it is confirmed', async () => {
    await watched.page.getByRole('button', { name: 'Kill inventory-service' }).click();
    await watched.page.getByText('inventory-service was killed').waitFor();
    await play('Order');
    await step('order.placed').waitFor();
    await step('order.confirmed').waitFor();
  });

  it('shows a dead letter with its cause, and redrives it', async () => {
    const connection = await connect(system.amqpUrl);
    const channel = await connection.createConfirmChannel();
    channel.publish('order.events', 'order.placed', Buffer.from('{"<b>not":"an event"}'), {
      messageId: 'hostile-letter',
    });
    await channel.waitForConfirms();
    await connection.close();
    const { page } = watched;
    await page.evaluate(`location.hash = '#/dead-letters'`);
    const letter = page.getByRole('article').first();
    await page.getByRole('heading', { level: 1, name: /Dead letters/ }).waitFor();
    for (let tries = 0; (await letter.count()) === 0 && tries < 50; tries += 1) {
      await page.getByRole('button', { name: 'Read again' }).click();
      await page.getByRole('button', { name: 'Read again', disabled: false }).waitFor();
    }
    await letter.getByText('The message').click();
    await letter.getByText('<b>not').waitFor();
    expect(await watched.violations()).to.deep.equal([]);
    await letter.getByRole('button', { name: 'Redrive' }).click();
    await page.getByText('1 letter of payment-service redriven.').waitFor();
  });
});
