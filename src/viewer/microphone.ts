import type { Stream } from './stream.ts';

/** Shares this browser's microphone with the desktop, from a press of a button until the next, or until the stream ends. */
export class Microphone {
  readonly #changed: () => void;
  #track: MediaStreamTrack | undefined;

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  get isOn(): boolean {
    return this.#track !== undefined;
  }

  /** Rejects where the person or the browser refuses, or there is no microphone. */
  async start(stream: Stream): Promise<void> {
    const media = await navigator.mediaDevices.getUserMedia({
      audio: { echoCancellation: true, noiseSuppression: true },
    });
    const [track] = media.getAudioTracks();
    if (track === undefined) return;
    this.stop();
    this.#track = track;
    track.addEventListener('ended', () => void this.end(stream));
    this.#changed();
    await stream.share(track);
  }

  /** Stops sharing; the desktop hears nothing any more. */
  async end(stream: Stream): Promise<void> {
    this.stop();
    await stream.share(undefined);
  }

  /** The stream is gone, and with it whom the microphone was shared with. */
  stop(): void {
    this.#track?.stop();
    this.#track = undefined;
    this.#changed();
  }
}
