// Several addresses in AMQP_URL.
import { expect } from 'chai';
import { addressesIn, BrokerAddresses } from '../../shared/runtime/environment/broker-addresses.ts';

const three = 'amqp://u:p@one:5672,amqps://u:p@two/v,amqp://three';

describe('the addresses of a broker', () => {
  it('are one, or several separated by commas; a comma in a password separates nothing', () => {
    expect(addressesIn('amqp://localhost')).to.deep.equal(['amqp://localhost']);
    expect(addressesIn(three)).to.deep.equal(['amqp://u:p@one:5672', 'amqps://u:p@two/v', 'amqp://three']);
    expect(addressesIn('amqp://u:a,b@one,amqp://two')).to.deep.equal(['amqp://u:a,b@one', 'amqp://two']);
  });

  it('take turns, each once before the first comes again', () => {
    const addresses = new BrokerAddresses(three);
    const first = [0, 1, 2].map(() => {
      const { current } = addresses;
      addresses.next();
      return current;
    });
    expect([...first].sort()).to.deep.equal(addressesIn(three).sort());
    expect(addresses.current).to.equal(first[0]);
    expect(addresses.count).to.equal(3);
  });

  it('begin with another one in another process', () => {
    const places = [0.9, 0.1, 0.5];
    expect(new BrokerAddresses(three, () => places.shift() ?? 0).current).to.equal('amqps://u:p@two/v');
  });
});
