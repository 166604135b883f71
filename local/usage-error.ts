// A command line that is wrong, for the person who typed it.

/** The message says how it is wrong. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Whether the command line is to blame: parseArgs of node:util throws errors of its own. */
export function isUsageError(error: unknown): boolean {
  return error instanceof UsageError || String((error as { code?: unknown } | null)?.code).startsWith('ERR_PARSE_ARGS');
}
