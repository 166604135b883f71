// Where a service's processor time went: the functions of a V8 CPU profile with the most time of their own.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { serviceNames } from '../../services.ts';

const hottestShown = 25;

interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
    readonly children?: readonly number[];
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

export interface HotFunction {
  readonly name: string;
  /** Of the time in which anything ran. */
  readonly share: number;
}

/** @param folder of --profile, with a folder of profiles for each service */
export function hottestReport(folder: string): string {
  return serviceNames
    .map((service) => {
      const hottest = hottestIn(readFileSync(mainThreadProfile(join(folder, service)), 'utf8'), hottestShown);
      const lines = hottest.map(({ name, share }) => `${(share * 100).toFixed(1).padStart(6)} %  ${name}\n`);
      return `\n${service}: functions with the most time of their own\n${lines.join('')}`;
    })
    .join('');
}

/** The newest profile of a process's main thread. Node names them CPU.DATE.TIME.PID.THREAD.N.cpuprofile, with thread 0. */
function mainThreadProfile(folder: string): string {
  const newest = readdirSync(folder)
    .filter((name) => /\.\d+\.0\.\d+\.cpuprofile$/.test(name))
    .toSorted()
    .at(-1);
  if (newest === undefined)
    throw new Error(`${folder} holds no CPU profile of a main thread; did the service stop in an orderly way?`);
  return join(folder, newest);
}

/** @param text the content of a .cpuprofile */
export function hottestIn(text: string, count: number): HotFunction[] {
  const { nodes, samples, timeDeltas } = JSON.parse(text) as Profile;
  const nameOf = new Map(nodes.map(({ id, callFrame }) => [id, nameOfFrame(callFrame)]));
  const microseconds = new Map<string, number>();
  let busy = 0;
  samples.forEach((id, index) => {
    const name = nameOf.get(id) ?? '?';
    const spent = timeDeltas[index] ?? 0;
    if (name === '(idle)' || name === '(root)') return;
    busy += spent;
    microseconds.set(name, (microseconds.get(name) ?? 0) + spent);
  });
  return [...microseconds]
    .sort(([, a], [, b]) => b - a)
    .slice(0, count)
    .map(([name, spent]) => ({ name, share: spent / busy }));
}

function nameOfFrame({ functionName, url, lineNumber }: Profile['nodes'][number]['callFrame']): string {
  // The last two parts of the path are enough, and name no folder of the machine.
  const where = url.split('/').slice(-2).join('/');
  return where === '' ? functionName || '(anonymous)' : `${functionName || '(anonymous)'} ${where}:${lineNumber + 1}`;
}
