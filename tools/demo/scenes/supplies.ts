// The first scene: products and customers are put in, for the scenes that follow.
import { untilCatalogueHas } from '../../../local/sample-data.ts';
import type { Stage } from './stage.ts';

interface Account {
  readonly userId: string;
  readonly balance: number;
}

interface Product {
  readonly productId: string;
  readonly unitPrice: number;
  readonly stock: number;
}

/** What there is at the beginning. */
export interface Supplies {
  readonly alice: Account;
  readonly bob: Account;
  readonly dave: Account;
  readonly erin: Account;
  readonly frank: Account;
  readonly mug: Product;
  readonly machine: Product;
  readonly cup: Product;
}

export async function bringSupplies({ shop, report, signal, target }: Stage): Promise<Supplies> {
  report.scene('What there is', 'Three products in stock, five customers with an account.');
  const account = async (name: string, balance: number): Promise<Account> => {
    const userId = shop.id(name);
    await shop.putAccount(userId, { balance });
    return { userId, balance };
  };
  const product = async (id: string, name: string, unitPrice: number, stock: number): Promise<Product> => {
    const productId = shop.id(id);
    await shop.putProduct(productId, { name, unitPrice, stock });
    return { productId, unitPrice, stock };
  };
  const supplies = {
    mug: await product('CATALOG-002', 'Mug', 1_500, 100),
    machine: await product('CATALOG-003', 'Espresso machine', 45_000, 1),
    cup: await product('CATALOG-004', 'Paper cup', 10, 900_000),
    alice: await account('alice', 100_000),
    bob: await account('bob', 1_000),
    dave: await account('dave', 200_000),
    erin: await account('erin', 10_000_000),
    frank: await account('frank', 50_000),
  };
  const { mug, machine, cup } = supplies;
  await untilCatalogueHas(target.urls['order-service'], [mug.productId, machine.productId, cup.productId], signal);
  report.note('order-service has received the products (product.updated) and knows their prices from now on.');
  return supplies;
}
