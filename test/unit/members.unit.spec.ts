// Names of services and of their instances, and what follows from them at the broker and in the settings.
import { expect } from 'chai';
import { choreography } from '../../shared/contract/choreography.ts';
import { instanceOf, isInstanceName, memberOf, membersOf, serviceOf } from '../../shared/contract/members.ts';
import { exchangeOf, queueOf, topologyFor, wholeTopology } from '../../shared/contract/topology.ts';
import { instanceNames, readSettings } from '../../shared/runtime/process/settings.ts';

describe('a member', () => {
  it('is a service, or a named instance of it', () => {
    expect([memberOf('order-service', undefined), memberOf('order-service', 'a')]).to.deep.equal([
      'order-service',
      'order-service.a',
    ]);
    for (const member of ['order-service', 'order-service.a', 'order-service.eu-1'])
      expect(memberOf(serviceOf(member), instanceOf(member))).to.equal(member);
    expect(membersOf('order-service', { 'order-service': ['a', 'b'] })).to.deep.equal([
      'order-service.a',
      'order-service.b',
    ]);
    expect(membersOf('payment-service', { 'order-service': ['a'] })).to.deep.equal(['payment-service']);
  });

  it('has no name that is that of a queue of the service without a name', () => {
    for (const name of ['a', 'eu-1', '0', 'a'.repeat(32)]) expect(isInstanceName(name), name).to.equal(true);
    for (const name of ['', 'A', 'a.b', '-a', 'a-', 'a--b', 'owner', 'dead-letters', 'a'.repeat(33), 'a=b'])
      expect(isInstanceName(name), name).to.equal(false);
  });
});

describe('the topology with several instances', () => {
  const names = { 'order-service': ['a', 'b'] };
  const lines = (bindings: readonly { queue: string; routingKey: string }[], queue: string) =>
    bindings.filter((binding) => binding.queue === queue).map(({ routingKey }) => routingKey);

  it('has a queue for each, for all events of all services, and none without a name', () => {
    const { queues, bindings } = wholeTopology(choreography, names);
    const queueNames = queues.map(({ name }) => name);
    expect(queueNames).to.include.members(['order-service.a', 'order-service.a.dead-letters', 'order-service.b']);
    expect(queueNames).to.not.include('order-service');
    expect(exchangeOf('order-service.a')).to.equal('order.events');
    expect(lines(bindings, queueOf('order-service.a')).sort()).to.deep.equal(Object.keys(choreography.events).sort());
    expect(lines(bindings, queueOf('order-service.b'))).to.have.lengthOf(Object.keys(choreography.events).length);
  });

  it('is declared by an instance for its peers, and by the others for all of them', () => {
    for (const member of ['order-service.a', 'payment-service', 'inventory-service']) {
      const { queues } = topologyFor(member, choreography, names);
      expect(
        queues.map(({ name }) => name),
        member,
      ).to.include.members(['order-service.a', 'order-service.b', 'payment-service', 'inventory-service']);
    }
  });

  it('has the queue of an instance also where only that instance knows of itself', () => {
    const { queues } = topologyFor('order-service.new', choreography);
    expect(queues.map(({ name }) => name))
      .to.include('order-service.new')
      .and.not.include('order-service');
  });
});

describe('the addresses of instances', () => {
  const read = (url: string) => readSettings({ ORDER_SERVICE_URL: url }, { PORT: '1', DATABASE_PATH: 'x' });

  it('go by their names', () => {
    const settings = read('a=http://one:3001, b=http://two:3001/,a=http://three:3001');
    expect(settings.serviceUrls).to.deep.equal({
      'order-service.a': ['http://one:3001', 'http://three:3001'],
      'order-service.b': ['http://two:3001'],
    });
    expect(instanceNames(settings)).to.deep.equal({ 'order-service': ['a', 'b'] });
    expect(instanceNames(read('http://one:3001,http://two:3001'))).to.deep.equal({});
  });

  it('are refused where only some have a name, or a name is none', () => {
    for (const wrong of [
      'a=http://one:3001,http://two:3001',
      'A=http://one:3001',
      'owner=http://one:3001',
      'a=one:3001',
    ])
      expect(() => read(wrong), wrong).to.throw(/ORDER_SERVICE_URL: .* with named instances a=http/);
  });
});
