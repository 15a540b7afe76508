import { randomUUID } from 'node:crypto';
import { GatewayError } from '../../errors.ts';
import type { Command, GatewayPayloads } from '../../protocol/control.ts';

/** Commands under way at one agent; more are refused with TOO_MANY_REQUESTS. */
const COMMANDS_MAX = 256;

export interface CommandOptions {
  deadlineMs: number;
  onProgress?: (message: string) => void;
}

interface PendingCommand {
  settle: (failure?: GatewayError) => void;
  deadline: Deadline;
  onProgress: ((message: string) => void) | undefined;
}

/** What one agent was asked and has not answered yet. */
export class PendingCommands {
  readonly #agentId: string;
  readonly #pending = new Map<string, PendingCommand>();

  constructor(agentId: string) {
    this.#agentId = agentId;
  }

  /** Resolves when the agent says that it is done. @throws GatewayError what the agent says, COMMAND_TIMEOUT, TOO_MANY_REQUESTS */
  async run(
    command: Command,
    { deadlineMs, onProgress }: CommandOptions,
    send: (message: GatewayPayloads['command']) => void,
  ): Promise<void> {
    if (this.#pending.size >= COMMANDS_MAX)
      throw new GatewayError('TOO_MANY_REQUESTS', `agent ${this.#agentId} has ${COMMANDS_MAX} commands under way`);
    const commandId = randomUUID();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const deadline = new Deadline(deadlineMs, () => {
      const message = `agent ${this.#agentId} did not finish ${command.action} in ${deadlineMs} ms`;
      settle(new GatewayError('COMMAND_TIMEOUT', message));
    });
    const settle = (failure?: GatewayError): void => {
      deadline.halt();
      this.#pending.delete(commandId);
      if (failure) reject(failure);
      else resolve();
    };
    this.#pending.set(commandId, { settle, deadline, onProgress });
    send({ commandId, deadline: new Date(Date.now() + deadlineMs).toISOString(), command });
    return promise;
  }

  /** The deadline of one that waits stands still; it waits for others that have deadlines, and no longer than its agent is connected. */
  progressed(commandId: string, message: string, isWaiting: boolean): void {
    const pending = this.#pending.get(commandId);
    if (isWaiting) pending?.deadline.halt();
    else pending?.deadline.goOn();
    pending?.onProgress?.(message);
  }

  /** No effect for a command that was given up meanwhile, or never was. */
  finished(commandId: string, failure?: GatewayError): void {
    this.#pending.get(commandId)?.settle(failure);
  }

  /** Every one of them fails so. */
  fail(failure: GatewayError): void {
    for (const { settle } of this.#pending.values()) settle(failure);
  }
}

/** A timer that can be halted, and goes on with what it had left. */
class Deadline {
  readonly #onOver: () => void;
  #leftMs: number;
  #running: { timer: NodeJS.Timeout; since: number } | undefined;

  constructor(ms: number, onOver: () => void) {
    this.#leftMs = ms;
    this.#onOver = onOver;
    this.goOn();
  }

  halt(): void {
    if (!this.#running) return;
    clearTimeout(this.#running.timer);
    this.#leftMs -= performance.now() - this.#running.since;
    this.#running = undefined;
  }

  goOn(): void {
    this.#running ??= { timer: setTimeout(this.#onOver, this.#leftMs), since: performance.now() };
  }
}
