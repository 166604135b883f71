// Each view of the live page in a real browser, over services that the test plays.
import { expect } from 'chai';
import type { Browser } from 'playwright-core';
import { launchBrowser, WatchedPage } from '../support/browser.ts';
import { FakeJournals, orderIdOf } from '../support/fake-journals.ts';
import { Observed } from '../support/observed.ts';

describe('the live page', function () {
  this.timeout(240_000);
  let browser: Browser;
  let journals: FakeJournals;
  let observed: Observed;
  let watched: WatchedPage;

  before(async function () {
    browser = await launchBrowser(this);
  });
  after(() => browser?.close());
  beforeEach(async () => {
    journals = await FakeJournals.start();
    observed = await Observed.start(journals.urls);
  });
  afterEach(async () => {
    await watched.close();
    await observed.stop();
    await journals.stop();
  });

  const open = async (path: string, options = {}) => {
    watched = await WatchedPage.open(browser, `${observed.url}/#/${path}`, options);
    return watched.page;
  };

  /** Paid for, then out of stock, refunded and cancelled. */
  function rollBack(orderId: string, userId = 'alice'): void {
    const placed = journals.place(orderId, { userId });
    const items = [{ productId: 'PEN', qty: 2, unitPrice: 150 }];
    const paid = journals.publish('payment.completed', { orderId, userId, amount: 300, items }, { cause: placed });
    const shortages = [{ productId: 'PEN', wanted: 2, available: 1 }];
    const rejected = journals.publish('inventory.rejected', { orderId, shortages }, { cause: paid });
    const because = 'inventory.rejected';
    const refunded = journals.publish(
      'payment.refunded',
      { orderId, userId, amount: 300, because },
      { cause: rejected },
    );
    journals.publish('order.cancelled', { orderId, userId, reason: 'out_of_stock' }, { cause: refunded });
  }

  it('Now: shows rates, reasons, services and the last sagas', async () => {
    journals.metrics =
      'saga_orders{status="pending"} 3\nsaga_orders_waiting{waits_for="payment-service"} 3\nsaga_dead_letter_queue_messages 2\n';
    journals.confirm(orderIdOf(1));
    rollBack(orderIdOf(2));
    const page = await open('now');
    await page.getByText('out of stock').first().waitFor();
    await page.getByText('1 confirmed').waitFor();
    await page.getByRole('row', { name: /payment-service.*ready.*connected/ }).waitFor();
    await page.getByText('connected to all').waitFor();
    await page.getByText('3 orders').waitFor();
    await page.getByRole('img', { name: /In the last five minutes: 2 started, 1 confirmed, 1 cancelled/ }).waitFor();
    expect(await page.getByRole('link', { name: orderIdOf(2).slice(-12) }).count()).to.equal(1);
    expect(await watched.violations()).to.deep.equal([]);
  });

  it('Sagas: filters by status, reason, user, product and what they wait for, and keeps the filter in the address', async () => {
    journals.confirm(orderIdOf(1), { userId: 'bob', productId: 'MUG' });
    rollBack(orderIdOf(2), 'carol');
    journals.place(orderIdOf(3));
    const page = await open('sagas');
    const rows = page.getByRole('row').filter({ has: page.getByRole('cell') });
    const users = async () => (await rows.locator('.user').allTextContents()).sort();
    await rows.nth(2).waitFor();
    expect(await users()).to.deep.equal(['alice', 'bob', 'carol']);
    const shows = async (wanted: string) => {
      await page.getByText(/^1 of the last 3 sagas/).waitFor();
      expect(await users()).to.deep.equal([wanted]);
      await page.getByRole('button', { name: 'Clear' }).click();
      await page.getByText(/^the last 3 sagas/).waitFor();
    };
    await page.getByLabel('Status').selectOption('confirmed');
    expect(page.url()).to.include('state=confirmed');
    await shows('bob');
    await page.getByLabel('Reason').selectOption('out_of_stock');
    await shows('carol');
    await page.getByLabel('Waits for').selectOption('payment-service');
    await shows('alice');
    await page.getByLabel('Order or user').fill('CAR');
    await shows('carol');
    await page.getByLabel('Product').fill('mug');
    await shows('bob');
    await page.getByLabel('Order or user').fill(orderIdOf(3));
    await shows('alice');
    expect(await watched.violations()).to.deep.equal([]);
  });

  it('One saga: shows done steps, dashed next steps with who must publish them, and grows', async () => {
    const orderId = orderIdOf(1);
    const placed = journals.place(orderId);
    const page = await open(`saga/${orderId}`);
    await page.getByText('payment-service must publish').waitFor();
    const next = page.getByRole('list', { name: 'What may happen next' });
    expect(await next.innerText()).to.match(/payment\.completed\s*or payment\.failed/);
    const items = [{ productId: 'PEN', qty: 2, unitPrice: 150 }];
    journals.publish('payment.completed', { orderId, userId: 'alice', amount: 300, items }, { cause: placed });
    await page.getByText('inventory-service must publish').waitFor();
    expect(await page.getByRole('list', { name: 'What has happened' }).getByRole('button').count()).to.equal(2);
    expect(await watched.violations()).to.deep.equal([]);
  });

  it('One saga: ties each compensation to what it undoes, shows causes on focus, and the event', async () => {
    rollBack(orderIdOf(1));
    const page = await open(`saga/${orderIdOf(1)}`);
    const step = (name: RegExp) => page.getByRole('button', { name });
    await step(/^payment\.completed.*was undone/).waitFor();
    await step(/^payment\.refunded.*undoes payment\.completed/).focus();
    await page.locator('li.cause button', { hasText: 'inventory.rejected' }).waitFor();
    expect(await page.locator('svg .undoing').count()).to.equal(1);
    // With the keyboard alone.
    await page.keyboard.press('Enter');
    const panel = page.getByRole('region', { name: /^payment\.refunded/ });
    await panel.waitFor();
    expect(await panel.locator('pre').innerText()).to.include('"because": "inventory.rejected"');
    expect(await panel.innerText()).to.match(/because of\s+inventory\.rejected/);
    expect(
      await page.getByText("curl -s 'http", { exact: false }).or(page.getByText('curl -s http')).count(),
    ).to.be.greaterThan(1);
    await page.getByRole('button', { name: 'Time to scale' }).click();
    expect(await watched.violations()).to.deep.equal([]);
  });

  it('Choreography: draws every event of the contract with its rate, and says the same in a table', async () => {
    journals.metrics =
      'saga_events_handled_total{type="order.placed",outcome="payment.completed"} 7\nsaga_events_dead_lettered_total{type="order.placed",reason="contradiction"} 2\n';
    const page = await open('choreography');
    await page
      .getByRole('row', { name: /order\.placed order-service payment-service payment\.completed 0 7/ })
      .waitFor();
    await page.getByRole('button', { name: /^order\.placed.*2 dead/ }).waitFor();
    expect(await page.locator('.map-box').count()).to.equal(12);
    expect(await page.locator('.map-arrow.failing').count()).to.be.greaterThan(0);
    expect(await watched.violations()).to.deep.equal([]);
  });

  it('Try it: says what cannot be done here', async () => {
    const page = await open('try');
    expect(await page.getByRole('button', { name: 'Order, deadline passes' }).isDisabled()).to.equal(true);
    await page.getByText('only where npm start runs them').waitFor();
    expect(await watched.violations()).to.deep.equal([]);
  });

  it('Dead letters: shows counts only where it has no access to the broker', async () => {
    journals.metrics = 'saga_dead_letter_queue_messages 2\n';
    const page = await open('dead-letters');
    await page.getByText('no access to the broker').waitFor();
    expect(await watched.violations()).to.deep.equal([]);
  });

  it('is readable on a phone and in the dark: nothing is wider than the screen', async () => {
    rollBack(orderIdOf(1));
    const page = await open('now', { viewport: { width: 360, height: 740 }, colorScheme: 'dark' });
    for (const path of ['now', 'sagas', `saga/${orderIdOf(1)}`, 'choreography', 'try', 'dead-letters']) {
      await page.evaluate(`location.hash = '#/${path}'`);
      await page.locator('h1').first().waitFor();
      if (path.startsWith('saga/')) await page.getByRole('button', { name: /^order\.cancelled/ }).waitFor();
      expect(await page.evaluate('document.documentElement.scrollWidth'), path).to.be.at.most(360);
      expect(await watched.violations(), path).to.deep.equal([]);
    }
  });

  it('asks nothing of any other host', async () => {
    const page = await open('now');
    await page.getByText('Live', { exact: true }).waitFor();
    expect([...watched.hosts]).to.deep.equal([new URL(observed.url).host]);
  });

  it('shows hostile text as text', async () => {
    const hostile = '<img src=x onerror="document.title=1"><script>document.title=1</script>';
    journals.confirm(orderIdOf(1), { userId: hostile, productId: '"><svg onload=document.title=1>' });
    const page = await open('sagas');
    await page.getByText(hostile).waitFor();
    await page.getByRole('link', { name: orderIdOf(1).slice(-12) }).click();
    await page.getByText(hostile, { exact: true }).waitFor();
    await page.getByRole('button', { name: /^order\.placed/ }).click();
    await page.locator('pre', { hasText: '<img src=x' }).first().waitFor();
    expect(await page.locator('main img, main script').count()).to.equal(0);
    expect(await page.title()).to.not.equal('1');
  });

  it('lists 10,000 sagas with few elements, and stays where the reader is while new ones come', async () => {
    for (let n = 1; n <= 10_000; n += 1)
      journals.confirm(orderIdOf(n), { atMs: Date.now() - 1_000_000 + n * 50, userId: `user-${n}` });
    await observed.stop();
    observed = await Observed.start(journals.urls, { OBSERVER_RECENT_EVENTS: '100000', OBSERVER_SAGAS_MAX: '11200' });
    const page = await open('sagas');
    await page.getByText('the last 10,000 sagas').waitFor();
    const rows = page.getByRole('row');
    expect(await page.getByRole('table').getAttribute('aria-rowcount')).to.equal('10001');
    expect(await rows.count()).to.be.lessThan(80);
    await page.evaluate(`document.querySelector('.saga-scroll').scrollTo(0, 44 * 5000)`);
    await page.getByText('user-5000', { exact: true }).waitFor();
    journals.confirm(orderIdOf(20_001), { userId: 'newcomer' });
    await page.getByRole('button', { name: /1 newer saga/ }).waitFor();
    expect(await page.getByText('user-5000', { exact: true }).isVisible()).to.equal(true);
    await page.getByRole('button', { name: /newest/ }).click();
    await page.getByText('newcomer').waitFor();
    await page.getByLabel('Order or user').fill('user-777');
    await page.getByText('11 of the last 10,000 sagas').waitFor();
  });

  it('says that the connection is lost, and resumes where it was', async () => {
    journals.confirm(orderIdOf(1), { userId: 'before' });
    const page = await open('sagas');
    await page.getByText('before').waitFor();
    const { port } = observed;
    await observed.stop();
    await page.getByRole('alert').getByText('The connection to the observer is lost').waitFor();
    expect(await page.getByText('before').isVisible()).to.equal(true);
    journals.confirm(orderIdOf(2), { userId: 'meanwhile' });
    observed = await Observed.start(journals.urls, {}, port);
    await page.getByText('meanwhile').waitFor();
    await page.getByText('Live', { exact: true }).waitFor();
    expect(await page.getByRole('alert').count()).to.equal(0);
    expect(await page.getByText('before').count()).to.equal(1);
  });
});
