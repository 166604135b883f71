// What stops a command of the dead letters; the message says why, and what to do.

export class DeadLettersError extends Error {
  override readonly name = 'DeadLettersError';
}
