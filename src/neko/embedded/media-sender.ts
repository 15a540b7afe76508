import { type RTCRtpSender, RtpHeader, RtpPacket } from 'werift';
import type { MediaSource, SourcePacket } from './media-source.ts';
import { Pacer } from './pacer.ts';
import { RtpRewriter } from './rtp-rewriter.ts';

// 16 packets of 1200 bytes every 3 ms are 51 Mbit/s: a key frame of 150 KB is out within 25 ms.
// 2000 waiting packets are more than any frame: the viewer then gets nothing until the next key frame.
const PACING = { burst: 16, everyMs: 3, max: 2000 };

/** One source on its way to one viewer. */
export class MediaSender {
  readonly #source: MediaSource;
  readonly #sender: RTCRtpSender;
  readonly #rewriter: RtpRewriter;
  readonly #pacer: Pacer<RtpPacket>;
  #unsubscribe: (() => void) | undefined;
  #isConnected = false;

  constructor(source: MediaSource, sender: RTCRtpSender, options: { clockRate: number; needsKeyFrame: boolean }) {
    this.#source = source;
    this.#sender = sender;
    this.#rewriter = new RtpRewriter(options);
    this.#pacer = new Pacer((packet) => {
      // It fails when the connection ends meanwhile, which the connection itself reports.
      this.#sender.sendRtp(packet).catch(() => undefined);
    }, PACING);
  }

  get isEnabled(): boolean {
    return this.#unsubscribe !== undefined;
  }

  /** Joins the source, and starts it when nobody else has; packets flow once the viewer is connected. */
  enable(): void {
    if (this.#unsubscribe !== undefined) return;
    this.#rewriter.interrupt();
    this.#unsubscribe = this.#source.subscribe((packet) => this.#forward(packet));
    if (this.#isConnected) this.requestKeyFrame();
  }

  disable(): void {
    this.#unsubscribe?.();
    this.#unsubscribe = undefined;
  }

  /** From now on packets go out, the first of them a key frame. */
  connected(): void {
    this.#isConnected = true;
    if (this.isEnabled) this.requestKeyFrame();
  }

  requestKeyFrame(): void {
    this.#source.requestKeyFrame();
  }

  close(): void {
    this.disable();
    this.#isConnected = false;
    this.#pacer.close();
  }

  #forward(packet: SourcePacket): void {
    if (!this.#isConnected) return;
    const place = this.#rewriter.place(packet, performance.now());
    if (place === undefined) return;
    const header = new RtpHeader({ ...place, marker: packet.marker });
    if (this.#pacer.push(new RtpPacket(header, packet.payload))) return;
    this.#rewriter.interrupt();
    this.requestKeyFrame();
  }
}
