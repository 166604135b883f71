// Everybody who is not a customer: accounts are opened and paid into, products are set up, restocked and repriced.
import { putProduct, restock } from '../../inventory-service/commands.ts';
import { deposit, putAccount } from '../../payment-service/commands.ts';
import type { Transaction } from '../../shared/runtime/messaging/unit-of-work.ts';
import type { ServiceParts } from '../../shared/runtime/node/service.ts';
import type { SimService } from '../environment/sim-service.ts';
import type { SimServices } from '../environment/sim-services.ts';
import type { Answers, Sums } from './answers.ts';
import type { Requests } from './requests.ts';
import { accounts, products } from './shop.ts';

export class Staff {
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
      this.#requests.submit(this.#services['payment-service'], (tx, { store }) =>
        putAccount(store, tx, userId, { balance, blocked }),
      );
    }
    for (const { productId, unitPrice, stock, available } of products) {
      this.#answers.broughtIn.answered += stock;
      this.#requests.submit(this.#services['inventory-service'], (tx, { store }) =>
        putProduct(store, tx, productId, { name: productId, unitPrice, stock, available }),
      );
    }
  }

  deposit(userId: string, amount: number): void {
    this.#counted(this.#answers.paidIn, amount, this.#services['payment-service'], (tx, { store }) =>
      deposit(store, tx, userId, amount),
    );
  }

  restock(productId: string, qty: number): void {
    this.#counted(this.#answers.broughtIn, qty, this.#services['inventory-service'], (tx, { store }) =>
      restock(store, tx, productId, qty),
    );
  }

  reprice(productId: string, unitPrice: number): void {
    this.#requests.submit(this.#services['inventory-service'], (tx, { store }) =>
      putProduct(store, tx, productId, { name: productId, unitPrice }),
    );
  }

  #counted<P extends ServiceParts>(
    sums: Sums,
    amount: number,
    service: SimService<P>,
    command: (tx: Transaction, parts: P) => unknown,
  ): void {
    this.#requests.submit(service, command, (answer) => {
      if (answer === 'unanswered') sums.unanswered += amount;
      else if (!(answer instanceof Error)) sums.answered += amount;
    });
  }
}
