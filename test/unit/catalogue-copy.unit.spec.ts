// Order-service's own copy of the catalogue, as it is stored.
import { expect } from 'chai';
import { CatalogueCopy, type CatalogueEntry } from '../../order-service/catalogue-copy.ts';
import { orderService } from '../../order-service/service.ts';
import { openDatabase } from '../../shared/runtime/storage/database.ts';

function product(productId: string, changes: Partial<CatalogueEntry> = {}): CatalogueEntry {
  return { productId, name: productId, unitPrice: 1500, available: true, version: 1, ...changes };
}

describe('the copy of the catalogue', () => {
  let copy: CatalogueCopy;
  beforeEach(() => {
    copy = new CatalogueCopy(openDatabase(':memory:', orderService.migrations));
  });

  it('keeps an entry as it is, with the time from which it holds, or without one', () => {
    const entries = [product('a', { asOf: '2030-01-01T00:00:00.000Z' }), product('b', { available: false })];
    for (const entry of entries) expect(copy.putEntry(entry)).to.equal(true);
    expect(entries.map(({ productId }) => copy.entry(productId))).to.deep.equal(entries);
    expect(copy.entry('c')).to.equal(undefined);
  });

  it('keeps the newest version, and says whether that was the one it got', () => {
    copy.putEntry(product('a', { version: 2, asOf: '2030-01-01T00:00:00.000Z' }));
    for (const version of [1, 2]) expect(copy.putEntry(product('a', { version, unitPrice: 1 }))).to.equal(false);
    expect(copy.entry('a')).to.include({ version: 2, unitPrice: 1500 });
    const newest = product('a', { version: 3, unitPrice: 2000 });
    expect(copy.putEntry(newest)).to.equal(true);
    expect(copy.entry('a')).to.deep.equal(newest);
  });

  it('lists entries in the order of their ids, page by page', () => {
    for (const id of ['c', 'a', 'b', '0']) copy.putEntry(product(id));
    expect(copy.entries(3)).to.deep.equal([product('0'), product('a'), product('b')]);
    expect(copy.entries(3, 'b')).to.deep.equal([product('c')]);
  });
});
