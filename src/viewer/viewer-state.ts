// What a viewer says of itself, made of how its signaling and its media are. Pure.
import type { IcePlan, Rung } from '../protocol/ice.ts';
import type { Reason } from './reasons.ts';
import type { Picture } from './stream.ts';

/** How the signaling socket is. */
export type Signaling =
  | { readonly name: 'joining' }
  | { readonly name: 'up' }
  /** Up, and the session is frozen. */
  | { readonly name: 'paused' }
  | { readonly name: 'lost'; readonly reason: Reason; readonly retryAtMs: number }
  | { readonly name: 'ended'; readonly reason: Reason };

/** Signaling is away under a running picture: why, and when (by Date.now()) it is tried again. */
export interface Restoring {
  readonly reason: Reason;
  readonly retryAtMs: number;
}

/**
 * `live` means that a frame of the present stream was seen and more can come, also while signaling is `restoring`; the
 * others say what is in the way.
 */
export type ViewerState =
  | { readonly name: 'connecting'; readonly step: 'joining' | 'opening-picture' }
  | {
      readonly name: 'live';
      /** The way of the picture; undefined until WebRTC has told which of its ways that is. */
      readonly rung: Rung | undefined;
      readonly restoring: Restoring | undefined;
      readonly isStalled: boolean;
    }
  | { readonly name: 'paused' }
  | { readonly name: 'reconnecting'; readonly reason: Reason; readonly retryAtMs: number | undefined }
  | { readonly name: 'closed'; readonly reason: Reason };

/** What the state is made of. */
export interface Seen {
  readonly signaling: Signaling;
  readonly picture: Picture;
  /** Of the picture. */
  readonly plan: IcePlan | undefined;
  /** Whether the picture can move. */
  readonly isFlowing: boolean;
  readonly isVncShown: boolean;
  /** What ended the last live stream, until there is another. */
  readonly trouble: Reason | undefined;
}

export function viewerState({ signaling, picture, plan, isFlowing, isVncShown, trouble }: Seen): ViewerState {
  if (signaling.name === 'ended') return { name: 'closed', reason: signaling.reason };
  if (signaling.name === 'paused') return { name: 'paused' };
  const lost = signaling.name === 'lost' ? { reason: signaling.reason, retryAtMs: signaling.retryAtMs } : undefined;
  // Its input goes over the signaling socket.
  if (!isFlowing && isVncShown && signaling.name === 'up')
    return { name: 'live', rung: 'vnc', restoring: undefined, isStalled: false };
  if (picture.name === 'playing') return { name: 'live', rung: plan, restoring: lost, isStalled: picture.isStalled };
  if (lost !== undefined) return { name: 'reconnecting', ...lost };
  if (picture.name === 'broken') return { name: 'reconnecting', reason: picture.reason, retryAtMs: picture.retryAtMs };
  if (trouble !== undefined) return { name: 'reconnecting', reason: trouble, retryAtMs: undefined };
  return { name: 'connecting', step: signaling.name === 'joining' ? 'joining' : 'opening-picture' };
}
