// Members: a service, or one of its named instances. `order-service.a` is the instance `a` of order-service; the same word
// is the source of its events, the name of its queue, and its name in logs and settings.

/** Names of instances, by service; a service that is missing has one process group without a name. */
export type InstanceNames = Readonly<Record<string, readonly string[]>>;

/** Names of queues that belong to the service without a name. */
const reserved: ReadonlySet<string> = new Set(['dead-letters', 'owner']);

/** Whether an instance may be called so. */
export function isInstanceName(name: string): boolean {
  return /^[a-z0-9](?:-?[a-z0-9])*$/.test(name) && name.length <= 32 && !reserved.has(name);
}

export function memberOf(service: string, instance: string | undefined): string {
  return instance === undefined ? service : `${service}.${instance}`;
}

/** `order-service` for `order-service.a`. */
export function serviceOf(member: string): string {
  const dot = member.indexOf('.');
  return dot < 0 ? member : member.slice(0, dot);
}

/** `a` for `order-service.a`; undefined for a service without a name. */
export function instanceOf(member: string): string | undefined {
  const dot = member.indexOf('.');
  return dot < 0 ? undefined : member.slice(dot + 1);
}

/** Its named instances; the service itself where it has none. */
export function membersOf(service: string, instances: InstanceNames): string[] {
  const names = instances[service] ?? [];
  return names.length === 0 ? [service] : names.map((name) => memberOf(service, name));
}
