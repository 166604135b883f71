// The rules that a product and the catalogue's copy of it must keep. Pure.
import type { HeldProduct } from './answers.ts';
import type { Broken, Disagreement, ReconciliationState } from './finding.ts';

export interface HeldCopy {
  readonly product?: HeldProduct | undefined;
  readonly copy?: HeldProduct | undefined;
}

const compared = ['name', 'unitPrice', 'available', 'version'] as const;

export function productDisagreement(
  productId: string,
  { product, copy }: HeldCopy,
  reconciliation: ReconciliationState,
): Disagreement | undefined {
  const broken = brokenBy({ product, copy }, reconciliation);
  if (!broken) return undefined;
  const holds = { 'order-service': shown(copy), 'inventory-service': shown(product) };
  return { about: 'product', id: productId, holds, broken: [{ ...broken, promise: 'P5', repairable: false }] };
}

function shown(product: HeldProduct | undefined): Omit<HeldProduct, 'productId'> | null {
  if (!product) return null;
  const { name, unitPrice, available, version } = product;
  return { name, unitPrice, available, version };
}

function brokenBy(
  { product, copy }: HeldCopy,
  reconciliation: ReconciliationState,
): Pick<Broken, 'rule' | 'text' | 'repair'> | undefined {
  if (!product) {
    return {
      rule: 'unknown-product',
      text: 'The catalogue of order-service offers a product that inventory-service does not know.',
      repair: `By hand: create it again (PUT /products/ID at inventory-service), and change it until its version is above ${copy?.version}: order-service ignores older versions.`,
    };
  }
  if (!copy) {
    return {
      rule: 'product-missing',
      text: 'The catalogue of order-service lacks a product of inventory-service.',
      repair: publishAgain(reconciliation),
    };
  }
  const different = compared.filter((field) => product[field] !== copy[field]);
  if (different.length === 0) return undefined;
  return {
    rule: 'product-differs',
    text: `The catalogue of order-service has another ${different.join(', ')} than inventory-service.`,
    repair:
      copy.version > product.version
        ? `By hand: change the product at inventory-service (PUT /products/ID) until its version is above ${copy.version}: order-service ignores older versions.`
        : publishAgain(reconciliation),
  };
}

function publishAgain(reconciliation: ReconciliationState): string {
  const state = reconciliation('order-service', 'inventory-service');
  const change =
    'change its name, price or availability at inventory-service (PUT /products/ID), and back: each change publishes product.updated.';
  if (state === 'off') return `Set INVENTORY_SERVICE_URL at order-service and restart it, or ${change}`;
  if (state === 'reconciled') return `By hand: ${change}`;
  return `order-service is comparing the journal of inventory-service now (${state}): run the audit again. Otherwise, ${change}`;
}
