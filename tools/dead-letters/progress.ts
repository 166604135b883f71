// Says how far a long run is.

export type Progress = (read: number, count: number) => void;

const everyMs = 2_000;

export function progressOn(stream: NodeJS.WritableStream): Progress {
  let nextMs = performance.now() + everyMs;
  return (read, count) => {
    if (performance.now() < nextMs) return;
    nextMs = performance.now() + everyMs;
    stream.write(`${read.toLocaleString('en')} of ${count.toLocaleString('en')} dead letters read\n`);
  };
}
