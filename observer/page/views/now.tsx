// How things are now: rates, what waits, the services and the broker, and the last minutes as a chart.
import type { Overview, ServiceState } from '../../model/messages.ts';
import { count, duration, plural, rate, words } from '../base/format.ts';
import { useInterests, useLive } from '../live/use-live.ts';
import { RateChart } from './rate-chart.tsx';
import { RecentSagas } from './recent-sagas.tsx';

export function NowView() {
  useInterests({ sagas: 'recent' });
  const { overview, rows } = useLive();
  if (!overview) return <p class="quiet">Waiting for the observer …</p>;
  return (
    <>
      <h1>Now</h1>
      <Figures overview={overview} />
      <section class="card" aria-labelledby="chart-title">
        <h2 id="chart-title">Sagas per second, over the last five minutes</h2>
        <RateChart chart={overview.chart} />
      </section>
      <div class="columns">
        <Waiting overview={overview} />
        <Failures overview={overview} />
      </div>
      <Services services={overview.services} broker={overview.broker} />
      <RecentSagas rows={rows.all().slice(0, 8)} />
    </>
  );
}

function Figures({ overview }: { overview: Overview }) {
  const { rates, orders, deadLetters, disagreements } = overview;
  const open = (orders['pending'] ?? 0) + (orders['cancelling'] ?? 0);
  return (
    <dl class="figures">
      <Figure name="started" value={rate(rates.started)} unit="/s" />
      <Figure name="confirmed" value={rate(rates.confirmed)} unit="/s" tone="good" total={orders['confirmed']} />
      <Figure name="cancelled" value={rate(rates.cancelled)} unit="/s" tone="bad" total={orders['cancelled']} />
      <Figure name="open" value={count(open)} tone={open > 0 ? 'wait' : undefined} />
      <Figure name="dead letters" value={count(deadLetters)} tone={deadLetters > 0 ? 'bad' : undefined} />
      <Figure name="disagreements" value={count(disagreements)} tone={disagreements > 0 ? 'bad' : undefined} />
    </dl>
  );
}

interface FigureProps {
  readonly name: string;
  readonly value: string;
  readonly unit?: string;
  readonly tone?: 'good' | 'bad' | 'wait' | undefined;
  readonly total?: number | undefined;
}

function Figure({ name, value, unit = '', tone, total }: FigureProps) {
  return (
    <div class={`figure ${tone ?? ''}`}>
      <dt>{name}</dt>
      <dd>
        <strong>{value}</strong>
        <span class="unit">{unit}</span>
        {total === undefined ? null : <span class="total">{count(total)} in all</span>}
      </dd>
    </div>
  );
}

function Waiting({ overview: { waiting } }: { overview: Overview }) {
  return (
    <section class="card" aria-labelledby="waiting-title">
      <h2 id="waiting-title">Waiting for</h2>
      {waiting.length === 0 ? (
        <p class="quiet">No order waits.</p>
      ) : (
        <ul class="plain">
          {waiting.map(({ service, orders, oldestS }) => (
            <li key={service}>
              <a href={`#/sagas?waits=${encodeURIComponent(service)}`}>{service}</a>
              <span>{plural(orders, 'order')}</span>
              <span class="quiet">the oldest for {duration(oldestS * 1_000)}</span>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function Failures({ overview: { reasons } }: { overview: Overview }) {
  const most = Math.max(1, ...reasons.map((reason) => reason.count));
  return (
    <section class="card" aria-labelledby="reasons-title">
      <h2 id="reasons-title">Cancelled because of</h2>
      {reasons.length === 0 ? (
        <p class="quiet">No order was cancelled in the last five minutes.</p>
      ) : (
        <ul class="plain bars">
          {reasons.slice(0, 8).map((reason) => (
            <li key={reason.reason}>
              <a href={`#/sagas?reason=${encodeURIComponent(reason.reason)}`}>{words(reason.reason)}</a>
              <meter min={0} max={most} value={reason.count} aria-label={words(reason.reason)} />
              <span>{count(reason.count)}</span>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

const brokerText = {
  connected: 'connected to all',
  partly: 'connected to some',
  away: 'away: services keep their events until it is back',
  unknown: 'unknown',
} as const;

function Services({ services, broker }: { services: readonly ServiceState[]; broker: Overview['broker'] }) {
  return (
    <section class="card" aria-labelledby="services-title">
      <h2 id="services-title">Services and broker</h2>
      <div class="scrolls" tabIndex={0}>
        <table>
          <thead>
            <tr>
              {['Service', 'Health', 'Broker', 'Queue', 'Outbox', 'Dead letters', 'Duplicates', 'Journal'].map(
                (name) => (
                  <th key={name} scope="col">
                    {name}
                  </th>
                ),
              )}
            </tr>
          </thead>
          <tbody>
            {services.map((service) => (
              <ServiceLine key={service.url} service={service} />
            ))}
            <tr>
              <th scope="row">broker</th>
              <td colSpan={7}>
                <span class={`health ${broker}`}>{brokerText[broker]}</span>
              </td>
            </tr>
          </tbody>
        </table>
      </div>
    </section>
  );
}

function ServiceLine({ service }: { service: ServiceState }) {
  const number = (value: number | undefined) => (value === undefined ? '–' : count(value));
  const connected = service.publisher === 'connected' && service.consumer === 'connected';
  return (
    <>
      <tr>
        <th scope="row">
          {service.service}
          <span class="quiet address">{service.url.replace(/^https?:\/\//, '')}</span>
        </th>
        <td>
          <span class={`health ${service.state}`}>{service.state}</span>
        </td>
        <td>
          {service.publisher === undefined
            ? '–'
            : connected
              ? 'connected'
              : `${service.publisher} / ${service.consumer}`}
        </td>
        <td>{number(service.queue)}</td>
        <td>{number(service.outbox)}</td>
        <td>{number(service.deadLetters)}</td>
        <td>{number(service.duplicates)}</td>
        <td>
          {service.journal}
          {service.journal === 'reading' && service.lagMs !== undefined ? (
            <span class="quiet"> {duration(service.lagMs)} behind</span>
          ) : null}
        </td>
      </tr>
      {[...(service.error === undefined ? [] : [service.error]), ...service.warnings].map((warning) => (
        <tr key={warning} class="warning">
          <td colSpan={8}>{warning}</td>
        </tr>
      ))}
    </>
  );
}
