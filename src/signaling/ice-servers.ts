import { z } from 'zod';
import { ICE_SERVERS_MAX, type IceServer } from './messages.ts';

// Of what neko says, only what is changed is looked at: all else passes as it is.
const Provide = z.looseObject({
  event: z.literal('signal/provide'),
  payload: z.looseObject({ sdp: z.string(), iceservers: z.array(z.unknown()).nullish() }),
});

/** neko writes the event first. Frames that begin otherwise, nearly all, are not parsed. */
const PROVIDE_START = '{"event":"signal/provide"';

/** Adds servers to those that neko tells with its offer. Any other frame, and one that can't be read or has no room, passes verbatim. */
export function addIceServers(frame: string, makeServers: () => readonly IceServer[]): string {
  const provide = frame.startsWith(PROVIDE_START) ? readProvide(frame) : undefined;
  if (!provide) return frame;
  const iceservers = [...(provide.payload.iceservers ?? []), ...makeServers()];
  if (iceservers.length > ICE_SERVERS_MAX) return frame;
  return JSON.stringify({ ...provide, payload: { ...provide.payload, iceservers } });
}

function readProvide(frame: string): z.infer<typeof Provide> | undefined {
  try {
    return Provide.safeParse(JSON.parse(frame)).data;
  } catch {
    return undefined;
  }
}
