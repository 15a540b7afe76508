import type { WebSocket } from 'ws';
import type { Driver } from '../../computer/driver.ts';
import { mayDrive } from '../computer/run.ts';
import { pipeThrough, type Piping } from '../logins/pipe.ts';
import type { AccessRow } from '../store/tables.ts';
import { StreamControls } from './stream-controls.ts';

/** The controls, for as long as one call needs them. */
export interface Loan extends AsyncDisposable {
  /** Has them free again for who lent them. */
  giveBack(driver: Driver, signal: AbortSignal): Promise<void>;
}

/** The streams that sandbox-agent's clients have open, by the access of each. */
export class Streams {
  readonly #byAccess = new Map<string, Set<StreamControls>>();

  /** How frames pass for one more stream of this access. */
  pipingFor(access: AccessRow): Piping {
    return (client, tunnel, onFailure) => {
      const controls = new StreamControls({
        mayDrive: mayDrive(access),
        toDesktop: (frame) => send(tunnel, frame),
        toClient: (frame) => send(client, frame),
        onFailure,
      });
      this.#add(access.id, controls);
      client.once('close', () => this.#remove(access.id, controls));
      return pipeThrough(client, tunnel, onFailure, controls);
    };
  }

  /**
   * There a token's streams and calls drive side by side; here one of them has the controls at a time, so that a token's own stream lends them
   * to its calls. Streams of others keep theirs.
   */
  async borrow(accessId: string, signal: AbortSignal): Promise<Loan> {
    const lenders = [...(this.#byAccess.get(accessId) ?? [])].filter(({ isWanting }) => isWanting);
    const takeBack = async (): Promise<void> => lenders.forEach((stream) => stream.takeBack());
    try {
      for (const stream of lenders) await stream.lend(signal);
    } catch (thrown) {
      await takeBack();
      throw thrown;
    }
    return {
      giveBack: async (driver, within) => {
        if (lenders.length > 0) await driver.release(within);
      },
      [Symbol.asyncDispose]: takeBack,
    };
  }

  #add(accessId: string, controls: StreamControls): void {
    const streams = this.#byAccess.get(accessId) ?? new Set();
    this.#byAccess.set(accessId, streams.add(controls));
  }

  #remove(accessId: string, controls: StreamControls): void {
    const streams = this.#byAccess.get(accessId);
    streams?.delete(controls);
    if (streams?.size === 0) this.#byAccess.delete(accessId);
  }
}

function send(socket: WebSocket, frame: string): void {
  if (socket.readyState === socket.OPEN) socket.send(frame);
}
