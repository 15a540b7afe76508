// What a viewer says of itself, made of how its signaling and its media are. Pure.
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
  | { readonly name: 'live'; readonly restoring: Restoring | undefined; readonly isStalled: boolean }
  | { readonly name: 'paused' }
  | { readonly name: 'reconnecting'; readonly reason: Reason; readonly retryAtMs: number | undefined }
  | { readonly name: 'closed'; readonly reason: Reason };

/** `trouble` is what ended the last live stream, until there is another. */
export function viewerState(signaling: Signaling, picture: Picture, trouble: Reason | undefined): ViewerState {
  if (signaling.name === 'ended') return { name: 'closed', reason: signaling.reason };
  if (signaling.name === 'paused') return { name: 'paused' };
  const lost = signaling.name === 'lost' ? { reason: signaling.reason, retryAtMs: signaling.retryAtMs } : undefined;
  if (picture.name === 'playing') return { name: 'live', restoring: lost, isStalled: picture.isStalled };
  if (lost !== undefined) return { name: 'reconnecting', ...lost };
  if (picture.name === 'broken') return { name: 'reconnecting', reason: picture.reason, retryAtMs: picture.retryAtMs };
  if (trouble !== undefined) return { name: 'reconnecting', reason: trouble, retryAtMs: undefined };
  return { name: 'connecting', step: signaling.name === 'joining' ? 'joining' : 'opening-picture' };
}
