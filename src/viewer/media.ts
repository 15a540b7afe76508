import { element } from './dom.ts';

export interface MediaListener {
  /** A frame of a new stream is shown; answers whether it was a real one, else the next is told too. */
  firstFrame(): boolean;
  /** Whether there is sound, it is muted, or playing at all waits for a press. */
  changed(): void;
}

/**
 * Shows one stream: muted at first, since browsers play nothing else without a press, and with sound as soon as they let it.
 */
export class Media {
  readonly video = element('video', { class: 'video', playsinline: '', autoplay: '', part: 'video' });
  readonly #listener: MediaListener;
  #stream: MediaStream | undefined;
  #generation = 0;
  #isBlocked = false;
  #isPictureInPicture = false;

  constructor(listener: MediaListener) {
    this.#listener = listener;
    this.video.muted = true;
    this.video.disablePictureInPicture = true;
    this.video.addEventListener('volumechange', () => listener.changed());
    this.video.addEventListener('enterpictureinpicture', () => this.#setPictureInPicture(true));
    this.video.addEventListener('leavepictureinpicture', () => this.#setPictureInPicture(false));
  }

  get hasSound(): boolean {
    return (this.#stream?.getAudioTracks().length ?? 0) > 0;
  }

  get isMuted(): boolean {
    return this.video.muted;
  }

  /** Whether the browser plays nothing, not even muted, before a press. */
  get isBlocked(): boolean {
    return this.#isBlocked;
  }

  get canLeaveThePage(): boolean {
    return document.pictureInPictureEnabled && this.#stream !== undefined;
  }

  /** Whether the picture is in a window of its own over all others. */
  get isPictureInPicture(): boolean {
    return this.#isPictureInPicture;
  }

  /** Rejects where the browser refuses, as without a press just before. */
  async togglePictureInPicture(): Promise<void> {
    if (this.#isPictureInPicture) {
      await document.exitPictureInPicture();
      return;
    }
    // Off but for this: browsers lay a button of their own over each video that may leave.
    this.video.disablePictureInPicture = false;
    try {
      await this.video.requestPictureInPicture();
    } catch (error) {
      this.video.disablePictureInPicture = true;
      throw error;
    }
  }

  #setPictureInPicture(isAway: boolean): void {
    this.#isPictureInPicture = isAway;
    if (!isAway) this.video.disablePictureInPicture = true;
    this.#listener.changed();
  }

  /** A new stream takes the place of the one before, whose last frame stays until then. */
  start(): void {
    this.#generation += 1;
    this.#stream = new MediaStream();
    this.#listener.changed();
  }

  addTrack(track: MediaStreamTrack): void {
    if (this.#stream === undefined) return;
    this.#stream.addTrack(track);
    if (track.kind === 'video') {
      this.video.srcObject = this.#stream;
      this.#awaitFrame(this.#generation);
      void this.play();
    }
    this.#listener.changed();
  }

  /** Nothing is shown any more, the last frame neither. */
  clear(): void {
    this.#generation += 1;
    this.#stream = undefined;
    this.video.srcObject = null;
    this.#isBlocked = false;
    this.#listener.changed();
  }

  async play(): Promise<void> {
    try {
      await this.video.play();
      this.#isBlocked = false;
    } catch (error) {
      // A newer stream took over; its own play decides.
      if (error instanceof DOMException && error.name === 'AbortError') return;
      if (!this.video.muted) {
        this.video.muted = true;
        return await this.play();
      }
      this.#isBlocked = true;
    }
    this.#listener.changed();
  }

  /** With sound needs a press in most browsers; without one the video goes on muted. */
  setMuted(isMuted: boolean): void {
    this.video.muted = isMuted;
    if (this.#stream !== undefined) void this.play();
  }

  #awaitFrame(generation: number): void {
    const seen = (): void => {
      if (generation === this.#generation && !this.#listener.firstFrame()) this.#awaitFrame(generation);
    };
    // Firefox has it since 132 only.
    const { video } = this;
    const canTell: boolean = 'requestVideoFrameCallback' in video;
    if (canTell) video.requestVideoFrameCallback(seen);
    else video.addEventListener('loadeddata', seen, { once: true });
  }
}
