// The observer, put together: it reads journals and what services say of themselves, and shows them to open pages.
import type { Server } from 'node:http';
import { choreography } from '../shared/contract/choreography.ts';
import { serviceOf } from '../shared/contract/members.ts';
import type { Log } from '../shared/runtime/environment/log.ts';
import { ProblemError } from '../shared/runtime/http/problem.ts';
import { DeadLetterDesk } from './dead-letters/dead-letter-desk.ts';
import { createObserverServer } from './http/observer-app.ts';
import { readStaticFiles } from './http/static-files.ts';
import { searchJournal } from './journals/journal-search.ts';
import { JournalTail } from './journals/journal-tail.ts';
import { type ContractMap, contractMapOf } from './model/contract-map.ts';
import type { MapRates, Overview, SagaDetail, ServiceState } from './model/messages.ts';
import { Broadcast } from './pages/broadcast.ts';
import { Disagreements } from './sagas/disagreements.ts';
import { Rates } from './sagas/rates.ts';
import type { Saga } from './sagas/saga.ts';
import { SagaBook } from './sagas/saga-book.ts';
import { sagaDetail } from './sagas/saga-detail.ts';
import { glimpse, Sampler } from './sagas/sampler.ts';
import { seenEvent } from './sagas/seen-event.ts';
import { Lag } from './services/lag.ts';
import { type ServiceAddress, ServiceWatch } from './services/service-watch.ts';
import type { ObserverSettings } from './settings.ts';
import { Controls } from './try/controls.ts';
import { Scenarios } from './try/scenarios.ts';

const disagreementsEveryMs = 1_000;

/** In the order of the services; named instances stand where their service does. */
function addressesIn(urls: ObserverSettings['serviceUrls'], services: readonly string[]): ServiceAddress[] {
  return services.flatMap((service) =>
    Object.entries(urls)
      .filter(([member]) => serviceOf(member) === service)
      .flatMap(([member, list]) => list.map((url) => ({ service, member, url }))),
  );
}

interface Journal {
  readonly address: ServiceAddress;
  readonly tail: JournalTail;
  readonly lag: Lag;
}

export class Observer {
  readonly server: Server;
  readonly #settings: ObserverSettings;
  readonly #map: ContractMap = contractMapOf(choreography);
  readonly #book: SagaBook;
  readonly #rates = new Rates(this.#map);
  readonly #disagreements = new Disagreements();
  readonly #sampler = new Sampler();
  readonly #addresses: readonly ServiceAddress[];
  readonly #journals: readonly Journal[];
  readonly #watch: ServiceWatch;
  readonly #broadcast: Broadcast;
  readonly #controls: Controls | undefined;
  readonly #stopping = new AbortController();
  #timer: NodeJS.Timeout | undefined;

  constructor(settings: ObserverSettings, log: Log) {
    this.#settings = settings;
    this.#book = new SagaBook(this.#map, settings.OBSERVER_SAGAS_MAX);
    const addresses = addressesIn(settings.serviceUrls, this.#map.services);
    this.#addresses = addresses;
    this.#journals = addresses.map((address) => this.#journal(address, log));
    this.#watch = new ServiceWatch(addresses, () => this.#broadcast.pages > 0);
    this.#broadcast = new Broadcast({
      sagas: () => [...this.#book.complete()].reverse(),
      saga: (orderId) => this.#book.get(orderId),
      row: (saga) => saga.row(Date.now()),
      detail: (saga) => this.#detail(saga),
      overview: () => this.#overview(),
      mapRates: () => this.#mapRates(),
      changes: () => this.#book.changes,
    });
    const { OBSERVER_CONTROL_URL: controlUrl, OBSERVER_CONTROL_TOKEN: token } = settings;
    this.#controls = controlUrl && token ? new Controls(controlUrl, token) : undefined;
    this.server = this.#createServer(log);
  }

  async start(): Promise<void> {
    await this.#controls?.connect();
    for (const { tail } of this.#journals) tail.start();
    this.#watch.start();
    const look = () =>
      this.#disagreements.look(
        Date.now(),
        (orderId) => this.#book.get(orderId),
        (saga) => this.#broadcast.changed(saga, false),
      );
    this.#timer = setInterval(() => {
      // A journal that cannot be read would make a saga look unfinished.
      if (this.#journals.every(({ tail }) => tail.state === 'reading' || tail.state === 'shared')) look();
    }, disagreementsEveryMs);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    clearInterval(this.#timer);
    this.#watch.stop();
    this.#broadcast.stop();
    await Promise.all(this.#journals.map(({ tail }) => tail.stop()));
  }

  #journal(address: ServiceAddress, log: Log): Journal {
    const lag = new Lag();
    const tail = new JournalTail({
      url: address.url,
      recentEvents: this.#settings.OBSERVER_RECENT_EVENTS,
      isShared: (journalId) =>
        this.#journals.some((other) => other.tail !== tail && other.tail.journalId === journalId),
      onCaughtUp: () => this.#broadcast.caughtUp(),
      onEvent: (type, text, live) => {
        const nowMs = Date.now();
        const glimpsed = glimpse(type, text);
        if (live) lag.add(Math.max(0, nowMs - glimpsed.atMs));
        if (live && !this.#book.get(glimpsed.subject) && !this.#sampler.keeps(glimpsed.subject, nowMs)) {
          this.#rates.count(glimpsed, nowMs);
          if (type === this.#map.starts) this.#broadcast.leftOut();
        } else this.#add(text, live ? nowMs : undefined);
      },
      log,
    });
    return { address, tail, lag };
  }

  #add(text: string, seenAtMs: number | undefined): void {
    const event = seenEvent(text, seenAtMs);
    const saga = event && this.#book.add(event);
    if (!saga) return;
    const nowMs = Date.now();
    this.#rates.count(event, nowMs);
    this.#disagreements.changed(saga, nowMs);
    this.#broadcast.changed(saga, seenAtMs === undefined);
  }

  /** From memory, or else from the journals. */
  async #find(orderId: string): Promise<SagaDetail | undefined> {
    let saga = this.#book.get(orderId);
    if (!saga?.complete) {
      const searches = this.#journals.map(({ address }) => searchJournal(address.url, orderId, this.#stopping.signal));
      const answers = await Promise.allSettled(searches);
      const events = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
      for (const event of events) this.#add(JSON.stringify(event), undefined);
      saga = this.#book.get(orderId);
      const failed = answers.find((answer) => answer.status === 'rejected');
      if (!saga && failed)
        throw new ProblemError(503, 'journal-unreachable', `a journal cannot be read: ${failed.reason}`);
    }
    return saga && this.#detail(saga);
  }

  #detail(saga: Saga): SagaDetail {
    const urls = { order: this.#orderUrlShown, trace: this.#settings.OBSERVER_TRACE_URL };
    return sagaDetail(this.#map, saga, urls, Date.now());
  }

  get #orderUrlShown(): string {
    return this.#settings.OBSERVER_ORDER_URL ?? this.#urlOf(this.#starter) ?? '';
  }

  /** The service that sagas begin at. */
  get #starter(): string {
    return this.#map.events.get(this.#map.starts)?.by ?? '';
  }

  #urlOf(service: string): string | undefined {
    return this.#addresses.find((address) => address.service === service)?.url;
  }

  #overview(): Overview {
    const nowMs = Date.now();
    const services = this.#watch.states((url) => this.#journalState(url));
    return {
      at: nowMs,
      rates: this.#rates.perSecond(nowMs),
      orders: this.#watch.orders(),
      waiting: this.#watch.waiting(),
      reasons: this.#rates.reasons(nowMs),
      services,
      broker: this.#watch.broker(),
      deadLetters: this.#deadLetterCounts().reduce((sum, { count }) => sum + count, 0),
      disagreements: this.#disagreements.count,
      kept: this.#book.size,
      chart: this.#rates.chart(nowMs),
    };
  }

  #journalState(url: string): Pick<ServiceState, 'journal' | 'lagMs'> {
    const journal = this.#journals.find(({ address }) => address.url === url);
    const lagMs = journal?.lag.medianMs;
    return { journal: journal?.tail.state ?? 'connecting', ...(lagMs === undefined ? {} : { lagMs }) };
  }

  /** Processes that share a database share its queues, too. */
  #deadLetterCounts(): { service: string; count: number }[] {
    const counts = new Map<string, number>();
    for (const { member, state } of this.#watch.probes)
      counts.set(member, Math.max(counts.get(member) ?? 0, state.deadLetters ?? 0));
    return [...counts].map(([service, count]) => ({ service, count }));
  }

  #mapRates(): MapRates {
    const handled = this.#watch.handled();
    const perEvent = new Map<string, number>();
    for (const { type, service, perS } of handled) {
      // Each of its readers handles it once.
      const key = `${type} ${service}`;
      perEvent.set(key, (perEvent.get(key) ?? 0) + perS);
    }
    const events = [...this.#map.events.values()].map(({ type, reactions }) => {
      const published = handled.filter(({ outcome }) => outcome === type).reduce((sum, { perS }) => sum + perS, 0);
      if (reactions.length === 0) return { type, perS: published };
      return { type, perS: Math.max(0, ...reactions.map(({ service }) => perEvent.get(`${type} ${service}`) ?? 0)) };
    });
    const failures = this.#watch.probes.flatMap(({ service, samples }) => {
      const byType = new Map<string, { deadLettered: number; duplicates: number }>();
      const add = (metric: string, key: 'deadLettered' | 'duplicates') => {
        for (const { labels, value } of samples.get(metric) ?? []) {
          const type = labels['type'] ?? '';
          const entry = byType.get(type) ?? { deadLettered: 0, duplicates: 0 };
          entry[key] += value;
          byType.set(type, entry);
        }
      };
      add('saga_events_dead_lettered_total', 'deadLettered');
      add('saga_events_duplicate_total', 'duplicates');
      return [...byType].map(([type, counts]) => ({ type, service, ...counts }));
    });
    return { events, outcomes: handled, failures };
  }

  #createServer(log: Log): Server {
    const { amqpUrl, OBSERVER_HOSTS } = this.#settings;
    // Each named instance has a queue of its own.
    const queues = this.#map.services.flatMap((service) => {
      const members = this.#addresses.filter((address) => address.service === service).map(({ member }) => member);
      return members.length > 0 ? [...new Set(members)] : [service];
    });
    const desk = amqpUrl === undefined ? undefined : new DeadLetterDesk(amqpUrl, queues);
    const url = (service: string) => this.#urlOf(service) ?? '';
    const scenarios = new Scenarios(
      { order: url('order-service'), payment: url('payment-service'), inventory: url('inventory-service') },
      this.#controls,
    );
    return createObserverServer({
      broadcast: this.#broadcast,
      contract: { ...this.#map, events: [...this.#map.events.values()] },
      hosts: OBSERVER_HOSTS,
      log,
      staticFiles: readStaticFiles(),
      find: (orderId) => this.#find(orderId),
      opened: () => this.#watch.refresh(),
      tryOptions: () => {
        const controls = this.#controls?.abilities;
        return { scenarios: scenarios.list(), ...(controls ? { controls } : {}) };
      },
      play: (scenario) => scenarios.play(scenario),
      control: async (target, action) => {
        if (!this.#controls) throw new ProblemError(404, 'no-controls', 'nothing can be stopped from here');
        return this.#controls.act(target, action);
      },
      deadLetters: async () => desk?.list() ?? { counts: this.#deadLetterCounts(), errors: [] },
      redrive: async (service, letterId) => {
        if (!desk) throw new ProblemError(404, 'no-broker-access', 'the observer has no access to the broker');
        return desk.redrive(service, letterId);
      },
    });
  }
}
