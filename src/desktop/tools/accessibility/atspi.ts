import type { EventEmitter } from 'node:events';
import { DBusError, Message, sessionBus, Variant, type MessageBus } from '@jellybrick/dbus-next';
import { z } from 'zod';
import { GatewayError, messageOf } from '../../../errors.ts';

/** A program that takes longer hangs: the call fails, and so do further ones to it. */
const CALL_MS = 2000;
/** The registry is started by the first call to it. */
const REGISTRY_MS = 10_000;
const PREFIX = '/org/a11y/atspi/accessible/';
/** What the bus or a program says when an element is no more. */
const GONE = [
  'org.freedesktop.DBus.Error.ServiceUnknown',
  'org.freedesktop.DBus.Error.NameHasNoOwner',
  'org.freedesktop.DBus.Error.NoReply',
  'org.freedesktop.DBus.Error.UnknownObject',
  'org.freedesktop.DBus.Error.UnknownMethod',
  'org.freedesktop.DBus.Error.UnknownInterface',
];

/** An element: the program's name on the bus, and its path there. */
export interface Place {
  program: string;
  path: string;
}

export const REGISTRY: Place = { program: 'org.a11y.atspi.Registry', path: '/org/a11y/atspi/accessible/root' };

/** `[program, path]`, as AT-SPI refers to an element. */
export const Reference = z
  .tuple([z.string().max(255), z.string().max(255)])
  .transform(([program, path]): Place => ({ program, path }));

/** What a method is called with, by its D-Bus signature. */
export interface Arguments {
  signature: string;
  body: readonly unknown[];
}

const NONE: Arguments = { signature: '', body: [] };

/** A program that has not answered in time. */
class ProgramHangs extends GatewayError {
  constructor(program: string) {
    super('TOOLS_FAILED', `the program ${program} on the accessibility bus does not answer`);
  }
}

/** A connection to a desktop's accessibility bus, for one call of a tool. */
export class AtSpi implements Disposable {
  readonly #bus: MessageBus;
  readonly #hanging = new Set<string>();
  readonly #lost = Promise.withResolvers<never>();
  #id = '';

  /** @throws GatewayError TOOLS_NOT_AVAILABLE where there is no such bus */
  static async open(address: string): Promise<AtSpi> {
    const atSpi = new AtSpi(sessionBus({ busAddress: address }));
    try {
      const bus = { program: 'org.freedesktop.DBus', path: '/org/freedesktop/DBus' };
      atSpi.#id = (await atSpi.call(bus, 'org.freedesktop.DBus', 'GetId', z.tuple([z.string()])))[0].slice(0, 8);
      return atSpi;
    } catch (cause) {
      atSpi[Symbol.dispose]();
      throw new GatewayError(
        'TOOLS_NOT_AVAILABLE',
        `this desktop has no accessibility bus (${messageOf(cause)}); it needs the packages at-spi2-core and dbus-daemon`,
        { cause },
      );
    }
  }

  private constructor(bus: MessageBus) {
    this.#bus = bus;
    // It emits errors of its connection, which its types don't tell.
    const events: EventEmitter = bus;
    events.on('error', (error: Error) => this.#lost.reject(error));
    this.#lost.promise.catch(() => undefined);
  }

  [Symbol.dispose](): void {
    this.#bus.disconnect();
  }

  /**
   * Calls a method, and reads what it answers.
   * @throws GatewayError ELEMENT_GONE | TOOLS_FAILED when the program doesn't answer, or answers something else
   */
  async call<Reply>(
    { program, path }: Place,
    face: string,
    member: string,
    reply: z.ZodType<Reply>,
    { signature, body }: Arguments = NONE,
  ): Promise<Reply> {
    if (this.#hanging.has(program)) throw new ProgramHangs(program);
    const message = new Message({ destination: program, path, interface: face, member, signature, body: [...body] });
    const answer = await this.#within(program, this.#bus.call(message)).catch((thrown: unknown) => {
      if (thrown instanceof DBusError && GONE.includes(thrown.type))
        throw new GatewayError('ELEMENT_GONE', `the element is not there any more (${thrown.text})`, { cause: thrown });
      if (thrown instanceof GatewayError) throw thrown;
      throw new GatewayError('TOOLS_FAILED', `${member} failed: ${messageOf(thrown)}`, { cause: thrown });
    });
    const read = reply.safeParse(answer?.body);
    if (read.success) return read.data;
    throw new GatewayError('TOOLS_FAILED', `a program answered ${member} with something else`, { cause: read.error });
  }

  async property<Value>(place: Place, face: string, name: string, value: z.ZodType<Value>): Promise<Value> {
    const reply = z.tuple([z.object({ value })]);
    const asked = { signature: 'ss', body: [face, name] };
    return (await this.call(place, 'org.freedesktop.DBus.Properties', 'Get', reply, asked))[0].value;
  }

  async setProperty(
    place: Place,
    face: string,
    name: string,
    { signature, value }: { signature: string; value: unknown },
  ): Promise<void> {
    const asked = { signature: 'ssv', body: [face, name, new Variant(signature, value)] };
    await this.call(place, 'org.freedesktop.DBus.Properties', 'Set', z.unknown(), asked);
  }

  refOf({ program, path }: Place): string {
    return `${this.#id}:${program.replace(/^:/, '')}:${path.startsWith(PREFIX) ? path.slice(PREFIX.length) : path}`;
  }

  /** @throws GatewayError ELEMENT_GONE for a ref of a bus that is no more */
  placeOf(ref: string): Place {
    const [id, program = '', path = ''] = ref.split(':');
    if (id !== this.#id)
      throw new GatewayError(
        'ELEMENT_GONE',
        'the element is of a desktop that was started anew since; read the tree again',
      );
    return { program: `:${program}`, path: path.startsWith('/') ? path : PREFIX + path };
  }

  async #within<T>(program: string, answer: Promise<T>): Promise<T> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => {
        this.#hanging.add(program);
        late.reject(new ProgramHangs(program));
      },
      program === REGISTRY.program ? REGISTRY_MS : CALL_MS,
    );
    try {
      return await Promise.race([answer, late.promise, this.#lost.promise]);
    } finally {
      clearTimeout(timer);
    }
  }
}
