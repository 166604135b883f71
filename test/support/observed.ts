// An observer in this process, over whatever services a test gives it.
import type { AddressInfo } from 'node:net';
import { Observer } from '../../observer/observer.ts';
import { readObserverSettings } from '../../observer/settings.ts';
import { serviceNames } from '../../services.ts';
import { silentLog } from '../../shared/runtime/environment/log.ts';
import { urlSettingOf } from '../../shared/runtime/process/settings.ts';

export class Observed {
  readonly observer: Observer;
  readonly port: number;

  private constructor(observer: Observer) {
    this.observer = observer;
    this.port = (observer.server.address() as AddressInfo).port;
  }

  /** @param port 0: any free one */
  static async start(
    urls: Readonly<Record<string, string>>,
    settings: Readonly<Record<string, string>> = {},
    port = 0,
  ): Promise<Observed> {
    const addresses = Object.fromEntries(serviceNames.map((name) => [urlSettingOf(name), urls[name] ?? '']));
    const observer = new Observer(readObserverSettings({ ...addresses, ...settings }), silentLog);
    await new Promise<void>((resolve) => observer.server.listen(port, '127.0.0.1', resolve));
    await observer.start();
    return new Observed(observer);
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.observer.server.close(() => resolve()));
    this.observer.server.closeAllConnections();
    await this.observer.stop();
    await closed;
  }
}
