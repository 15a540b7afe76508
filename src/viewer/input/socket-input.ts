import type { InputEvent } from '../../input/data-channel.ts';
import type { Connection } from '../connection.ts';

/** Sends input over the signaling socket, for the time in which there is no data channel. Slower, and through the gateway. */
export function transmitOverSocket(event: InputEvent, socket: Pick<Connection, 'send'>): void {
  switch (event.type) {
    case 'move':
      socket.send('control/move', { x: event.x, y: event.y });
      break;
    case 'scroll':
      socket.send('control/scroll', { delta_x: event.deltaX, delta_y: event.deltaY, control_key: event.controlKey });
      break;
    case 'key':
      socket.send(event.down ? 'control/keydown' : 'control/keyup', { keysym: event.keysym });
      break;
    case 'button':
      socket.send(event.down ? 'control/buttondown' : 'control/buttonup', { code: event.button });
      break;
    case 'touch':
      socket.send(TOUCH_EVENTS[event.phase], {
        touch_id: event.touchId,
        x: event.x,
        y: event.y,
        pressure: event.pressure,
      });
      break;
    case 'ping':
      // Measures the data channel; the socket has its own heartbeat.
      break;
    default:
      throw new Error(`unreachable: ${JSON.stringify(event satisfies never)}`);
  }
}

const TOUCH_EVENTS = { begin: 'control/touchbegin', update: 'control/touchupdate', end: 'control/touchend' } as const;
