// The contract as a map, with what happens on it now.
import { useMemo, useState } from 'preact/hooks';
import type { ContractView, MapRates } from '../../model/messages.ts';
import { count, rate } from '../base/format.ts';
import { useContract } from '../base/use-contract.ts';
import { useInterests, useLive } from '../live/use-live.ts';
import { type ArrowAt, type BoxAt, boxPx, layOutMap } from '../map/map-layout.ts';

const interests = { map: true };

export function ChoreographyView() {
  useInterests(interests);
  const { map } = useLive();
  const contract = useContract();
  return (
    <>
      <h1>Choreography</h1>
      <p class="quiet">
        Which event leads to which, from the contract. The numbers are events per second, over the last ten seconds. No
        process reads this map to decide what happens next.
      </p>
      {contract ? <ContractMap contract={contract} rates={map} /> : null}
      {contract ? <ContractTable contract={contract} rates={map} /> : null}
    </>
  );
}

function ContractMap({ contract, rates }: { contract: ContractView; rates: MapRates | undefined }) {
  const layout = useMemo(() => layOutMap(contract), [contract]);
  const [pointed, setPointed] = useState<string | undefined>();
  const { width, height, lanes, boxes, arrows } = layout;
  return (
    <div
      class="card scrolls map"
      tabIndex={0}
      role="region"
      aria-label="Map of the choreography; the table below says the same"
    >
      <div class="map-space" style={{ width: `${width}px`, height: `${height}px` }}>
        {lanes.map((lane) => (
          <div key={lane.service} class="map-lane" style={{ top: `${lane.y}px`, height: `${lane.height}px` }}>
            <span>{lane.service.replace(/-service$/, '')}</span>
          </div>
        ))}
        <svg width={width} height={height} aria-hidden="true">
          {arrows.map((arrow) => (
            <Arrow key={`${arrow.from} ${arrow.to}`} arrow={arrow} rates={rates} pointed={pointed} />
          ))}
        </svg>
        {boxes.map((box) => (
          <Box key={box.type} box={box} contract={contract} rates={rates} onPoint={setPointed} />
        ))}
      </div>
    </div>
  );
}

function Arrow({
  arrow,
  rates,
  pointed,
}: {
  arrow: ArrowAt;
  rates: MapRates | undefined;
  pointed: string | undefined;
}) {
  const outcome =
    rates?.outcomes.filter(
      ({ type, service, outcome }) => type === arrow.from && service === arrow.service && outcome === arrow.to,
    ) ?? [];
  const perS = outcome.reduce((sum, one) => sum + one.perS, 0);
  const dead = deadLettered(rates, arrow.from, arrow.service);
  const near = pointed === arrow.from || pointed === arrow.to;
  const { x, y } = arrow.label;
  return (
    <g
      class={`map-arrow ${perS > 0 ? 'busy' : ''} ${dead > 0 ? 'failing' : ''} ${near ? 'near' : pointed ? 'far' : ''}`}
    >
      <path d={arrow.path} />
      <path class="head" d={headOf(arrow.path)} />
      {perS > 0 ? (
        <text x={x} y={y}>
          {rate(perS)}/s
        </text>
      ) : null}
    </g>
  );
}

function headOf(path: string): string {
  const [x = 0, y = 0] = path.split(' ').slice(-2).map(Number);
  return `M ${x + 7} ${y} L ${x - 1} ${y - 4.5} L ${x - 1} ${y + 4.5} Z`;
}

interface BoxProps {
  readonly box: BoxAt;
  readonly contract: ContractView;
  readonly rates: MapRates | undefined;
  readonly onPoint: (type: string | undefined) => void;
}

function Box({ box: { type, x, y }, contract, rates, onPoint }: BoxProps) {
  const event = contract.events.find((one) => one.type === type);
  const perS = rates?.events.find((one) => one.type === type)?.perS ?? 0;
  const dead = (event?.reactions ?? []).reduce((sum, { service }) => sum + deadLettered(rates, type, service), 0);
  const kind = event?.final ?? (event?.compensates ? 'compensation' : event?.failure ? 'failure' : 'done');
  return (
    <button
      type="button"
      class={`map-box ${kind}`}
      style={{ left: `${x}px`, top: `${y}px`, width: `${boxPx.width}px`, height: `${boxPx.height}px` }}
      onMouseEnter={() => onPoint(type)}
      onMouseLeave={() => onPoint(undefined)}
      onFocus={() => onPoint(type)}
      onBlur={() => onPoint(undefined)}
    >
      <span class="type">{type}</span>
      <span class="rate">
        {perS > 0 ? `${rate(perS)}/s` : '–'}
        {dead > 0 ? <b class="badge bad">{count(dead)} dead</b> : null}
      </span>
    </button>
  );
}

function deadLettered(rates: MapRates | undefined, type: string, service: string): number {
  return (rates?.failures ?? [])
    .filter((one) => one.type === type && one.service === service)
    .reduce((sum, one) => sum + one.deadLettered, 0);
}

const titles = ['Event', 'Published by', 'Read by', 'Outcome', 'Per second', 'In all', 'Duplicates', 'Dead-lettered'];

function ContractTable({ contract, rates }: { contract: ContractView; rates: MapRates | undefined }) {
  return (
    <div class="card scrolls" tabIndex={0} role="region" aria-label="The contract, as a table">
      <table class="contract">
        <thead>
          <tr>
            {titles.map((title) => (
              <th key={title} scope="col">
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {contract.events.flatMap((event) =>
            event.reactions.flatMap(({ service, events, silent }) =>
              [...events, ...silent].map((outcome, index) => {
                const same = (one: { type: string; service: string }) =>
                  one.type === event.type && one.service === service;
                const handled = rates?.outcomes.filter((one) => same(one) && one.outcome === outcome) ?? [];
                const failures = rates?.failures.filter(same) ?? [];
                const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
                return (
                  <tr key={`${event.type} ${service} ${outcome}`} class={index === 0 ? 'first' : ''}>
                    <td>{index === 0 ? event.type : ''}</td>
                    <td>{index === 0 ? event.by : ''}</td>
                    <td>{index === 0 ? service : ''}</td>
                    <td class={silent.includes(outcome) ? 'quiet' : ''}>{outcome}</td>
                    <td class="number">{rate(sum(handled.map(({ perS }) => perS)))}</td>
                    <td class="number">{count(sum(handled.map(({ total }) => total)))}</td>
                    <td class="number">
                      {index === 0 ? count(sum(failures.map(({ duplicates }) => duplicates))) : ''}
                    </td>
                    <td class="number">{index === 0 ? count(sum(failures.map((one) => one.deadLettered))) : ''}</td>
                  </tr>
                );
              }),
            ),
          )}
        </tbody>
      </table>
    </div>
  );
}
