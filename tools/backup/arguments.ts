// The command line that `npm run backup` and `npm run restore` share.
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type Selection, selectionFrom } from '../../local/backup/selection.ts';
import { UsageError } from '../../local/usage-error.ts';

export interface BackupArguments {
  /** Absolute path. */
  readonly folder: string;
  readonly compose: boolean;
  readonly selection: Selection;
  /** Whether services were named; otherwise all are meant. */
  readonly namesServices: boolean;
}

/**
 * @returns undefined: help was asked for
 * @throws UsageError, or what parseArgs throws
 */
export function readArguments(): BackupArguments | undefined {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      only: { type: 'string', multiple: true, default: [] },
      database: { type: 'string', multiple: true, default: [] },
      compose: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) return undefined;
  const [folder, ...more] = positionals;
  if (folder === undefined) throw new UsageError('name the folder of the backup');
  if (more.length > 0) throw new UsageError(`one folder is enough; what is '${more.join(' ')}'?`);
  if (values.compose && values.database.length > 0) throw new UsageError('--compose and --database exclude each other');
  return {
    folder: resolve(folder),
    compose: values.compose,
    selection: selectionFrom(values.only, values.database, process.env['DATA_DIR'] || 'data'),
    namesServices: values.only.length > 0,
  };
}
