import type { InputEvent } from './data-channel.ts';

/** What input becomes on neko's WebSocket. */
export interface InputMessage {
  event:
    | 'control/move'
    | 'control/scroll'
    | 'control/keydown'
    | 'control/keyup'
    | 'control/buttondown'
    | 'control/buttonup'
    | (typeof TOUCH_EVENTS)[keyof typeof TOUCH_EVENTS];
  payload: Record<string, number | boolean>;
}

/** The same input as a message of the signaling socket, for who has no data channel; undefined for a ping, which measures that. */
export function inputMessageOf(event: InputEvent): InputMessage | undefined {
  switch (event.type) {
    case 'move':
      return { event: 'control/move', payload: { x: event.x, y: event.y } };
    case 'scroll':
      return {
        event: 'control/scroll',
        payload: { delta_x: event.deltaX, delta_y: event.deltaY, control_key: event.controlKey },
      };
    case 'key':
      return { event: event.down ? 'control/keydown' : 'control/keyup', payload: { keysym: event.keysym } };
    case 'button':
      return { event: event.down ? 'control/buttondown' : 'control/buttonup', payload: { code: event.button } };
    case 'touch':
      return {
        event: TOUCH_EVENTS[event.phase],
        payload: { touch_id: event.touchId, x: event.x, y: event.y, pressure: event.pressure },
      };
    case 'ping':
      return undefined;
    default:
      throw new Error(`unreachable: ${JSON.stringify(event satisfies never)}`);
  }
}

const TOUCH_EVENTS = { begin: 'control/touchbegin', update: 'control/touchupdate', end: 'control/touchend' } as const;
