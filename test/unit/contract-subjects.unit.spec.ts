// The static checks refuse an event whose subject is not a field that its data always has.
import { expect } from 'chai';
import { z } from 'zod';
import { checkChoreography } from '../../shared/contract/checks/all-checks.ts';
import { choreography } from '../../shared/contract/choreography.ts';
import type { Choreography } from '../../shared/contract/language.ts';

/** What the checks say when the data of `product.updated` has these fields. */
function findingsFor(data: z.ZodType): string[] {
  const changed: Choreography = {
    ...choreography,
    events: { ...choreography.events, 'product.updated': { ...choreography.events['product.updated'], data } },
  };
  return checkChoreography(changed).map(({ rule, message }) => `${rule}: ${message}`);
}

describe('the subject of an event', () => {
  const problem = ["has-publisher: the subject of product.updated, 'productId', is not a required field of its data"];

  it('may be any field that its data must have', () => {
    expect(findingsFor(z.object({ productId: z.string() }))).to.deep.equal([]);
  });

  it('is refused when the data has no such field, or may lack it', () => {
    expect(findingsFor(z.object({ id: z.string() }))).to.deep.equal(problem);
    expect(findingsFor(z.object({ productId: z.string().optional() }))).to.deep.equal(problem);
  });
});
