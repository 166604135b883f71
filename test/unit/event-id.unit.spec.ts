// Ids of events that follow from others.
import { expect } from 'chai';
import { v7 as uuidv7, validate, version } from 'uuid';
import { causedEventId } from '../../shared/contract/event-id.ts';

describe('the id of an event that follows from another', () => {
  const cause = '019aa5c0-7b1e-7c3d-9f42-0123456789ab';

  it('is the same whenever it is made, however the id of the cause is written', () => {
    const id = causedEventId(cause, 'payment-service', 'payment.completed');
    expect(id).to.equal('019aa5c0-7b1e-826b-80be-df2a98a95d66');
    expect(causedEventId(cause.toUpperCase(), 'payment-service', 'payment.completed')).to.equal(id);
  });

  it('is a UUID v8 that begins with the time of its cause', () => {
    const id = causedEventId(cause, 'payment-service', 'payment.completed');
    expect(validate(id)).to.equal(true);
    expect(version(id)).to.equal(8);
    expect(id.slice(0, 13)).to.equal(cause.slice(0, 13));
  });

  it('differs by cause, by service and by type, also along a chain of causes', () => {
    const ids = new Set<string>();
    const causes = Array.from({ length: 1_000 }, () => uuidv7());
    for (const placed of causes) {
      const paid = causedEventId(placed, 'payment-service', 'payment.completed');
      const refused = causedEventId(placed, 'payment-service', 'payment.failed');
      const other = causedEventId(placed, 'inventory-service', 'payment.completed');
      const reserved = causedEventId(paid, 'inventory-service', 'inventory.reserved');
      for (const id of [placed, paid, refused, other, reserved]) ids.add(id);
    }
    expect(ids.size).to.equal(5 * causes.length);
  });
});
