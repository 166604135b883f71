// Nothing outlives the process that asked for it: a small shell, in a session of its own, waits on a pipe that only we hold.
// When we are gone, however that came, the pipe ends and it ends the broker and removes the temporary data.
import { spawn } from 'node:child_process';

// One line per order on stdin. The end of input without `done` means that the parent is gone.
// A `docker run` that we had begun may end after us: until we know that there is a container, its removal is tried several times.
// The second removal of the folder is for port programs of the VM that were still writing when it died.
const SCRIPT = `
group= pauses='0 1 3 6'
while IFS= read -r line; do
  case $line in
    done) exit 0 ;;
    created) pauses=0 ;;
    "group "*) group=\${line#group } ;;
  esac
done
[ -z "$group" ] || kill -s KILL -- "-$group" 2>/dev/null
if [ -n "$2" ]; then
  for pause in $pauses; do sleep "$pause"; "$1" rm -f -v "$2"; done
fi
if [ -n "$3" ]; then
  rm -rf -- "$3"; sleep 0.3; rm -rf -- "$3"
fi
`;

export interface Watched {
  /** Removed when the parent dies. */
  readonly temporaryDir?: string | undefined;
  /** Removed, with its anonymous volumes, when the parent dies. */
  readonly container?: { readonly docker: string; readonly name: string };
}

export interface Watchdog {
  /** The process group to end; undefined when there is none any more. */
  guard(group: number | undefined): void;
  /** The container exists. */
  created(): void;
  /** Its work is over; it goes without touching anything. */
  dismiss(): void;
}

export function startWatchdog(watched: Watched): Watchdog {
  const { container, temporaryDir } = watched;
  const child = spawn(
    '/bin/sh',
    ['-c', SCRIPT, 'broker-watchdog', container?.docker ?? '', container?.name ?? '', temporaryDir ?? ''],
    { detached: true, cwd: '/', stdio: ['pipe', 'ignore', 'ignore'] },
  );
  // it may have been killed by somebody; the broker is not worse off than without it
  child.on('error', () => undefined);
  child.stdin.on('error', () => undefined);
  child.unref();
  // the pipe must not keep our process alive either: its end is what the watchdog waits for
  if ('unref' in child.stdin && typeof child.stdin.unref === 'function') child.stdin.unref();
  return {
    guard: (group) => void child.stdin.write(`group ${group ?? ''}\n`),
    created: () => void child.stdin.write('created\n'),
    dismiss: () => void child.stdin.end('done\n'),
  };
}
