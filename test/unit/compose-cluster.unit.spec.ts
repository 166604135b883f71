// docker-compose.cluster.yml changes docker-compose.yml, and ops/rabbitmq-cluster.conf names the nodes of both. Nobody else
// compares them.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { parse } from 'yaml';
import { z } from 'zod';
import { projectFolder } from '../../shared/contract/documents/documents-on-disk.ts';
import { addressesIn } from '../../shared/runtime/environment/broker-addresses.ts';

const Compose = z.object({
  services: z.record(
    z.string(),
    z.object({
      image: z.string().optional(),
      hostname: z.string().optional(),
      environment: z.record(z.string(), z.string().nullable()).default({}),
      volumes: z.array(z.string()).default([]),
    }),
  ),
  volumes: z.record(z.string(), z.unknown()),
});

const textOf = (file: string) => readFileSync(join(projectFolder(), file), 'utf8');
const read = (file: string) => Compose.parse(parse(textOf(file), { merge: true }));
const base = read('docker-compose.yml');
const cluster = read('docker-compose.cluster.yml');
const nodes = Object.keys(cluster.services).filter((name) => name.startsWith('rabbitmq'));
const settings = 'ops/rabbitmq-cluster.conf';

describe('docker-compose.cluster.yml', () => {
  it('adds two nodes to the broker, each with the name and the volume that its data depend on', () => {
    expect(nodes).to.deep.equal(['rabbitmq', 'rabbitmq-2', 'rabbitmq-3']);
    for (const name of nodes) {
      const node = cluster.services[name];
      const before = base.services[name];
      expect(node?.hostname ?? before?.hostname, `host name of ${name}`).to.equal(name);
      expect(node?.image ?? before?.image, `image of ${name}`).to.equal(base.services['rabbitmq']?.image);
      const volumes = [...(before?.volumes ?? []), ...(node?.volumes ?? [])];
      expect(volumes).to.include(`${name}-data:/var/lib/rabbitmq`);
      expect({ ...base.volumes, ...cluster.volumes }).to.have.property(`${name}-data`);
    }
  });

  it('gives all nodes the same settings, credentials and cookie', () => {
    for (const name of nodes) {
      expect(cluster.services[name]?.volumes).to.include(`./${settings}:/etc/rabbitmq/conf.d/20-cluster.conf:ro`);
      expect(cluster.services[name]?.environment).to.deep.equal(cluster.services['rabbitmq']?.environment);
    }
    expect(cluster.services['rabbitmq']?.environment).to.include(base.services['rabbitmq']?.environment);
  });

  it('names exactly these nodes in their settings', () => {
    const named = [...textOf(settings).matchAll(/^cluster_formation\.classic_config\.nodes\.\d+ = rabbit@(.+)$/gm)];
    expect(named.map(([, host]) => host)).to.deep.equal(nodes);
  });

  it('gives every service that uses the broker the addresses of all nodes', () => {
    const users = Object.keys(base.services).filter((name) => base.services[name]?.environment['AMQP_URL']);
    expect(users).to.include.members(['order-service', 'order-service-b', 'payment-service', 'inventory-service']);
    for (const name of users) {
      const alone = base.services[name]?.environment['AMQP_URL'] ?? '';
      const addresses = addressesIn(cluster.services[name]?.environment['AMQP_URL'] ?? '');
      expect(addresses, name).to.deep.equal(nodes.map((node) => alone.replace('@rabbitmq:', `@${node}:`)));
    }
  });
});
