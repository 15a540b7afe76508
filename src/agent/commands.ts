import type { Logger } from 'pino';
import { GatewayError, toGatewayError } from '../errors.ts';
import type { AgentPayloads, Command, GatewayPayloads } from '../protocol/control.ts';
import type { Failure } from '../protocol/session.ts';
import type { LoginTable } from './logins.ts';
import type { Runtime } from './runtimes/runtime.ts';
import type { SessionTable } from './sessions.ts';

type CommandMessage = GatewayPayloads['command'];
export type SendToGateway = <T extends keyof AgentPayloads>(type: T, payload: AgentPayloads[T]) => void;

/** Results kept to answer a repeated command as before; the oldest is forgotten first. */
const RESULTS_MAX = 1000;
/** Those that need what came before them for their session to be done. */
const IN_TURN: ReadonlySet<Command['action']> = new Set([
  'start_session',
  'wake_session',
  'pause_session',
  'resume_session',
]);
/** Commands under way at once on one host; more are refused with TOO_MANY_MESSAGES. */
const COMMANDS_MAX = 256;

const WHY_ENDED = {
  ACCESS_EXPIRED: 'this access has expired',
  ACCESS_REVOKED: 'this access was revoked',
  KICKED: 'an owner of this session ended this connection',
};

interface CommandDeps {
  sessions: SessionTable;
  logins: Pick<LoginTable, 'end'>;
  homes: Pick<Runtime, 'removeHome'>;
}

/** Runs the gateway's commands: beside each other, in order for one session, each once however often it is sent. */
export class CommandRunner {
  readonly #sessions: SessionTable;
  readonly #logins: Pick<LoginTable, 'end'>;
  readonly #homes: Pick<Runtime, 'removeHome'>;
  readonly #send: SendToGateway;
  readonly #log: Logger;
  readonly #running = new Set<string>();
  readonly #results = new Map<string, { error?: Failure }>();
  readonly #lastOfSubject = new Map<string, Promise<void>>();

  constructor({ sessions, logins, homes }: CommandDeps, send: SendToGateway, log: Logger) {
    this.#sessions = sessions;
    this.#logins = logins;
    this.#homes = homes;
    this.#send = send;
    this.#log = log;
  }

  run(message: CommandMessage): void {
    const { commandId, command } = message;
    const known = this.#results.get(commandId);
    if (known) {
      this.#send('result', { commandId, ...known });
      return;
    }
    this.#send('ack', { commandId });
    if (this.#running.has(commandId)) return;
    if (this.#running.size >= COMMANDS_MAX) {
      this.#finish(
        commandId,
        new GatewayError('TOO_MANY_MESSAGES', `this host has ${COMMANDS_MAX} commands under way`),
      );
      return;
    }
    this.#running.add(commandId);
    // Ids have no space, so that no home is taken for a session.
    const subject = 'sessionId' in command ? command.sessionId : `home ${command.home}`;
    // A stop must not wait for the start that it ends: the session table aborts it. And a revocation waits for nothing.
    const before = IN_TURN.has(command.action) ? this.#lastOfSubject.get(subject) : undefined;
    const done = (before ?? Promise.resolve())
      .then(() => this.#execute(message))
      .then(
        () => this.#finish(commandId),
        (thrown: unknown) => this.#finish(commandId, toGatewayError(thrown)),
      );
    const settled = Promise.all([this.#lastOfSubject.get(subject), done]).then(() => {
      if (this.#lastOfSubject.get(subject) === settled) this.#lastOfSubject.delete(subject);
    });
    this.#lastOfSubject.set(subject, settled);
  }

  async #execute({ commandId, command, deadline }: CommandMessage): Promise<void> {
    const leftMs = Date.parse(deadline) - Date.now();
    if (leftMs <= 0)
      throw new GatewayError(
        'COMMAND_TIMEOUT',
        `${command.action} arrived after its deadline; are the clocks of gateway and host right?`,
      );
    await this.#perform(command, leftMs, (text, isWaiting) =>
      this.#send('progress', { commandId, message: text.slice(0, 1024), ...(isWaiting && { isWaiting }) }),
    );
  }

  async #perform(
    command: Command,
    timeoutMs: number,
    onProgress: (message: string, isWaiting?: boolean) => void,
  ): Promise<void> {
    switch (command.action) {
      case 'start_session':
      case 'wake_session':
        return this.#sessions.start(command.sessionId, command.spec, {
          timeoutMs,
          onProgress,
          onWait: (before) => onProgress(describeWait(before), before > 0),
        });
      case 'stop_session':
        return this.#sessions.stop(command.sessionId);
      case 'hibernate_session':
        return this.#sessions.hibernate(command.sessionId);
      case 'pause_session':
        return this.#sessions.pause(command.sessionId);
      case 'resume_session':
        return this.#sessions.resume(command.sessionId);
      case 'end_logins': {
        const { sessionId, of, code } = command;
        return this.#logins.end({ sessionId, ...of }, new GatewayError(code, WHY_ENDED[code]));
      }
      case 'remove_home':
        return this.#homes.removeHome(command.home);
    }
  }

  #finish(commandId: string, failure?: GatewayError): void {
    if (failure?.code === 'INTERNAL') this.#log.error({ err: failure, commandId }, 'a command failed');
    const result = failure ? { error: { code: failure.code, message: failure.message.slice(0, 4096) } } : {};
    this.#running.delete(commandId);
    this.#results.set(commandId, result);
    for (const oldest of this.#results.keys()) {
      if (this.#results.size <= RESULTS_MAX) break;
      this.#results.delete(oldest);
    }
    this.#send('result', { commandId, ...result });
  }
}

function describeWait(startsBefore: number): string {
  if (startsBefore === 0) return 'its turn has come';
  return startsBefore === 1 ? 'waiting for 1 start before it' : `waiting for ${startsBefore} starts before it`;
}
