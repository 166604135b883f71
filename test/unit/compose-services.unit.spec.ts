// docker-compose.yml runs every service of services.ts. The compiler does not read it, so this test does.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { nginxConfig } from '../../local/gateway/nginx-config.ts';
import { portSettings } from '../../local/ports.ts';
import { serviceNames } from '../../services.ts';
import { projectFolder } from '../../shared/contract/documents/documents-on-disk.ts';
import { urlSettingOf } from '../../shared/runtime/process/settings.ts';

const lines = readFileSync(join(projectFolder(), 'docker-compose.yml'), 'utf8')
  .split('\n')
  .map((line) => line.trimEnd());

/** The lines below a service's name, up to the next entry of its level. */
function blockOf(service: string): string[] {
  const from = lines.indexOf(`  ${service}:`) + 1;
  if (from === 0) return [];
  const length = lines.slice(from).findIndex((line) => /^ {0,2}\S/.test(line));
  return lines.slice(from, length < 0 ? undefined : from + length).map((line) => line.trim());
}

/** Of services with several instances. */
const addresses: Readonly<Record<string, string>> = {
  'order-service': 'a=http://order-service:3001,b=http://order-service-b:3001',
};

describe('docker-compose.yml', () => {
  it('runs a second order-service with a name and a volume of its own', () => {
    expect(blockOf('order-service')).to.include.members(['INSTANCE: a', 'SERVICE: order-service']);
    expect(blockOf('order-service-b')).to.include.members([
      'INSTANCE: b',
      'SERVICE: order-service',
      '- order-b-data:/app/data',
    ]);
    expect(lines).to.include('  order-b-data:');
  });

  it('has a gateway, with the configuration that npm start gives nginx, for the ports inside', () => {
    const upstreams = {
      'order-service': ['order-service:3001', 'order-service-b:3001'],
      'payment-service': ['payment-service:3002'],
      'inventory-service': ['inventory-service:3003'],
    };
    expect(blockOf('gateway')).to.include('- ./ops/gateway.conf:/etc/nginx/nginx.conf:ro');
    const onDisk = readFileSync(join(projectFolder(), 'ops/gateway.conf'), 'utf8');
    expect(onDisk).to.equal(nginxConfig({ port: 8000, upstreams }));
  });

  it('has a configuration that sends GET and HEAD to a read side, where there is one', () => {
    const upstreams = { 'order-service': ['order-service:3001'], 'payment-service': ['payment-service:3002'] };
    const readers = { 'order-service': ['reads:3001'] };
    const config = nginxConfig({ port: 8000, upstreams, readers }).replaceAll(/\s+/g, ' ');
    expect(config)
      .to.include('upstream order-service-reads { server reads:3001 max_fails=0; keepalive 64; }')
      .and.to.include(
        'map $request_method $order_service { default order-service; GET order-service-reads; HEAD order-service-reads; }',
      )
      .and.to.include('location /order-service/ { proxy_pass http://$order_service; }')
      .and.to.include('location /payment-service/ { proxy_pass http://payment-service; }');
  });

  it('checks health on the port of the probes, which no flood of requests reaches', () => {
    const port = lines.find((line) => line.startsWith('  HEALTH_PORT: '))?.split('"')[1];
    expect(port).to.match(/^\d+$/);
    const from = lines.indexOf('x-healthcheck: &healthcheck');
    const check = lines.slice(from, lines.indexOf('services:')).join('\n');
    expect(check).to.include(`http://127.0.0.1:${port}/readyz`);
  });

  for (const service of serviceNames) {
    const { variable, port } = portSettings[service];
    const volume = `${service.replace(/-service$/, '')}-data`;

    it(`runs ${service} from its own folder, on its port, with a volume of its own`, () => {
      expect(blockOf(service)).to.include.members([
        `SERVICE: ${service}`,
        `- "127.0.0.1:\${${variable}:-${port}}:${port}"`,
        `- ${volume}:/app/data`,
      ]);
      expect(blockOf(service)).to.include('healthcheck: *healthcheck');
      expect(
        lines.map((line) => line.trim()),
        'its address, for the others',
      ).to.include(`${urlSettingOf(service)}: ${addresses[service] ?? `http://${service}:${port}`}`);
      expect(lines, 'the volumes').to.include(`  ${volume}:`);
    });
  }
});
