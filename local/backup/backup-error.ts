// What a backup or a restore refuses, for the person who asked for it: the message says what to do.

export class BackupError extends Error {
  override readonly name = 'BackupError';
}

/** The message of whatever was thrown. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
