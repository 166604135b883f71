// The configuration of nginx as the gateway, for this machine and for compose alike.
import { hiddenPaths } from './proxy-gateway.ts';

export interface NginxOptions {
  readonly port: number;
  /** `host:port` of the processes of each service. */
  readonly upstreams: Readonly<Record<string, readonly string[]>>;
  /** Those that take GET and HEAD instead, where a service has a read side of its own. */
  readonly readers?: Readonly<Record<string, readonly string[]>>;
  /** Folder for its own files, where it does not run as root in a container of its own. */
  readonly folder?: string;
}

/**
 * Health is checked by the requests themselves: a process that cannot be reached, or that answers 503 (it is catching up, or
 * stopping), is left out for two seconds, and the next one is asked. nginx repeats a POST only where nothing of it was sent.
 */
export function nginxConfig({ port, upstreams, readers = {}, folder }: NginxOptions): string {
  const services = Object.entries(upstreams);
  const own = folder === undefined ? [] : [`pid ${folder}/nginx.pid;`, `error_log ${folder}/nginx.log warn;`];
  const temporary =
    folder === undefined
      ? []
      : [
          'access_log off;',
          ...['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/${name};`),
        ];
  return `${[
    '# The gateway: one address for all services, /order-service/…, /payment-service/…, /inventory-service/….',
    ...own,
    'worker_processes auto;',
    'events { worker_connections 4096; }',
    'http {',
    ...indent([
      ...temporary,
      ...services.flatMap(([service, addresses]) => upstream(service, addresses)),
      ...Object.entries(readers).flatMap(([service, addresses]) => readSide(service, addresses)),
      'server {',
      ...indent([
        `listen ${port};`,
        'client_max_body_size 128k;',
        'proxy_http_version 1.1;',
        'proxy_set_header Connection "";',
        'proxy_set_header Host $http_host;',
        'proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;',
        'proxy_connect_timeout 2s;',
        '# A request may wait for 30 seconds (Prefer: wait=30).',
        'proxy_read_timeout 60s;',
        'proxy_next_upstream error timeout http_502 http_503;',
        '# What is about one process, not about the service.',
        `location ~ ^/[a-z-]+-service/(${hiddenPaths.join('|')})(/|$) { return 404; }`,
        ...services.map(([service]) => {
          const target = readers[service] ? `$${variableOf(service)}` : service;
          return `location /${service}/ { proxy_pass http://${target}; }`;
        }),
        'location / { return 404; }',
      ]),
      '}',
    ]),
    '}',
  ].join('\n')}\n`;
}

function upstream(service: string, addresses: readonly string[]): string[] {
  const several = addresses.length > 1;
  return [
    `upstream ${service} {`,
    ...indent([
      ...addresses.map((address) => `server ${address}${several ? ' max_fails=1 fail_timeout=2s' : ' max_fails=0'};`),
      'keepalive 64;',
    ]),
    '}',
  ];
}

function readSide(service: string, addresses: readonly string[]): string[] {
  return [
    ...upstream(`${service}-reads`, addresses),
    `map $request_method $${variableOf(service)} {`,
    ...indent([`default ${service};`, `GET ${service}-reads;`, `HEAD ${service}-reads;`]),
    '}',
  ];
}

function variableOf(service: string): string {
  return service.replaceAll('-', '_');
}

function indent(lines: readonly string[]): string[] {
  return lines.map((line) => `  ${line}`);
}
