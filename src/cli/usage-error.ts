/** A command line that asks for nothing that could be done; `nekogate` exits with 2. */
export class UsageError extends Error {}
