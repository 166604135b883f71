// Everybody who is not a customer: accounts are opened and paid into, products are set up, restocked and repriced.
import { putProduct, restock } from '../../inventory-service/commands.ts';
import { deposit, putAccount } from '../../payment-service/commands.ts';
import type { Transaction } from '../../shared/runtime/messaging/unit-of-work.ts';
import type { ServiceParts } from '../../shared/runtime/node/service.ts';
import type { SimService } from '../environment/sim-service.ts';
import type { SimServices } from '../environment/sim-services.ts';
import type { Asked } from '../model/work.ts';
import type { Answers, Sums } from './answers.ts';
import type { Requests } from './requests.ts';
import { accounts, products } from './shop.ts';

export class Staff {
  /** The prices that were last set, whether they are in effect by now or not. */
  readonly prices = new Map<string, number>();
  readonly #services: SimServices;
  readonly #requests: Requests;
  readonly #answers: Answers;

  constructor(services: SimServices, requests: Requests, answers: Answers) {
    this.#services = services;
    this.#requests = requests;
    this.#answers = answers;
  }

  /** Opens the accounts and stocks the products, before any fault. */
  prepare(): void {
    for (const { userId, balance, blocked } of accounts) {
      this.#answers.paidIn.answered += balance;
      const asked: Asked = { what: 'put account', userId, balance, blocked };
      this.#requests.submit(this.#services['payment-service'], asked, (tx, { store }) =>
        putAccount(store, tx, userId, { balance, blocked }),
      );
    }
    for (const { productId, unitPrice, stock, available } of products) {
      this.#answers.broughtIn.answered += stock;
      const product = { name: productId, unitPrice, stock, available };
      this.prices.set(productId, unitPrice);
      this.#put(productId, product);
    }
  }

  /** Opens an account with so much in it, then calls back. */
  open(userId: string, balance: number, opened: () => void): void {
    const asked: Asked = { what: 'put account', userId, balance };
    this.#counted(
      this.#answers.paidIn,
      balance,
      this.#services['payment-service'],
      asked,
      (tx, { store }) => putAccount(store, tx, userId, { balance }),
      opened,
    );
  }

  /** Blocks an account, or unblocks it. */
  block(userId: string, blocked: boolean): void {
    const asked: Asked = { what: 'put account', userId, blocked };
    this.#requests.submit(this.#services['payment-service'], asked, (tx, { store }) =>
      putAccount(store, tx, userId, { blocked }),
    );
  }

  /** Takes a product off sale, or offers it again. */
  offer(productId: string, available: boolean): void {
    this.#put(productId, { name: productId, unitPrice: this.prices.get(productId) ?? 10, available });
  }

  deposit(userId: string, amount: number): void {
    const asked: Asked = { what: 'deposit', userId, amount };
    this.#counted(this.#answers.paidIn, amount, this.#services['payment-service'], asked, (tx, { store }) =>
      deposit(store, tx, userId, amount),
    );
  }

  restock(productId: string, qty: number): void {
    const asked: Asked = { what: 'restock', productId, qty };
    this.#counted(this.#answers.broughtIn, qty, this.#services['inventory-service'], asked, (tx, { store }) =>
      restock(store, tx, productId, qty),
    );
  }

  add(productId: string, unitPrice: number, stock: number): void {
    this.prices.set(productId, unitPrice);
    const product = { name: productId, unitPrice, stock };
    const asked: Asked = { what: 'put product', productId, ...product };
    this.#counted(this.#answers.broughtIn, stock, this.#services['inventory-service'], asked, (tx, { store }) =>
      putProduct(store, tx, productId, product),
    );
  }

  reprice(productId: string, unitPrice: number): void {
    this.prices.set(productId, unitPrice);
    this.#put(productId, { name: productId, unitPrice });
  }

  #put(productId: string, product: Parameters<typeof putProduct>[3]): void {
    const asked: Asked = { what: 'put product', productId, ...product };
    this.#requests.submit(this.#services['inventory-service'], asked, (tx, { store }) =>
      putProduct(store, tx, productId, product),
    );
  }

  #counted<P extends ServiceParts>(
    sums: Sums,
    amount: number,
    service: SimService<P>,
    asked: Asked,
    command: (tx: Transaction, parts: P) => unknown,
    done: () => void = () => {},
  ): void {
    this.#requests.submit(service, asked, command, (answer) => {
      done();
      if (answer === 'unanswered') sums.unanswered += amount;
      else if (!(answer instanceof Error)) sums.answered += amount;
    });
  }
}
