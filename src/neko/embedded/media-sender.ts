import { type RTCRtpSender, RtpHeader, RtpPacket } from 'werift';
import type { PacketSource, SourcePacket } from './media-source.ts';
import { Pacer } from './pacer.ts';
import { RtpHistory } from './rtp-history.ts';
import { RtpRewriter } from './rtp-rewriter.ts';

// 16 packets of 1200 bytes every 3 ms are 51 Mbit/s: a key frame of 150 KB is out within 25 ms.
// 2000 waiting packets are more than any frame: the viewer then gets nothing until the next key frame.
const PACING = { burst: 16, everyMs: 3, max: 2000 };

export interface MediaSenderOptions {
  clockRate: number;
  needsKeyFrame: boolean;
  /** Told right after each packet that left, with its size on the wire. */
  sent?: ((bytes: number) => void) | undefined;
}

/** One source on its way to one viewer. */
export class MediaSender {
  readonly #sender: RTCRtpSender;
  readonly #options: MediaSenderOptions;
  readonly #rewriter: RtpRewriter;
  readonly #pacer: Pacer<RtpPacket>;
  readonly #history = new RtpHistory();
  #source: PacketSource;
  #unsubscribe: (() => void) | undefined;
  /** What follows the present source once it has a key frame. */
  #next: { source: PacketSource; unsubscribe: () => void } | undefined;
  #isConnected = false;

  constructor(source: PacketSource, sender: RTCRtpSender, options: MediaSenderOptions) {
    this.#source = source;
    this.#sender = sender;
    this.#options = options;
    this.#rewriter = new RtpRewriter(options);
    this.#pacer = new Pacer((packet) => this.#send(packet), PACING);
    sender.onGenericNack.subscribe(({ lost }) => this.#repeat(lost));
  }

  /** What is being sent, or is about to be. */
  get source(): PacketSource {
    return this.#next?.source ?? this.#source;
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
    this.#source = this.source;
    this.#next?.unsubscribe();
    this.#next = undefined;
    this.#unsubscribe?.();
    this.#unsubscribe = undefined;
  }

  /** Goes over to another source with its next key frame; until then the present one goes on. */
  follow(source: PacketSource): void {
    if (source === this.source) return;
    this.#next?.unsubscribe();
    this.#next = undefined;
    if (this.#unsubscribe === undefined || !this.#isConnected) {
      const wasEnabled = this.isEnabled;
      this.disable();
      this.#source = source;
      if (wasEnabled) this.enable();
    } else if (source !== this.#source) {
      const unsubscribe = source.subscribe((packet) => {
        if (packet.startsKeyFrame) this.#goOver(packet);
      });
      this.#next = { source, unsubscribe };
      source.requestKeyFrame();
    }
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

  #goOver(packet: SourcePacket): void {
    const next = this.#next;
    if (next === undefined) return;
    this.#next = undefined;
    this.#unsubscribe?.();
    this.#source = next.source;
    this.#unsubscribe = next.source.subscribe((later) => this.#forward(later));
    next.unsubscribe();
    this.#forward(packet);
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

  #send(packet: RtpPacket): void {
    this.#history.add(packet);
    this.#write(packet);
  }

  #write(packet: RtpPacket): void {
    // It fails when the connection ends meanwhile, which the connection itself reports.
    this.#sender.sendRtp(packet).catch(() => undefined);
    this.#options.sent?.(packet.payload.length + packet.header.serializeSize);
  }

  #repeat(lost: readonly number[]): void {
    for (const packet of this.#history.find(lost, performance.now())) this.#write(packet);
  }
}
