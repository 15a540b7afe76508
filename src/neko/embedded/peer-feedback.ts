import {
  GenericNack,
  ReceiverEstimatedMaxBitrate,
  type RtcpPacket,
  RtcpPayloadSpecificFeedback,
  RtcpRrPacket,
  RtcpTransportLayerFeedback,
} from 'werift';

/** What one viewer reported last of the video that it gets, in RTCP's own units (RFC 3550, section 6.4.1). */
export class PeerFeedback {
  /** Since the last sender report, in 1/65536 s. */
  delay = 0;
  jitter = 0;
  totalLost = 0;
  /** All packets that were asked for again. */
  nacks = 0;
  /** Bits a second, where the viewer says so itself. */
  maximumBitrate = 0;
  readonly #requestKeyFrame: () => void;

  constructor(requestKeyFrame: () => void) {
    this.#requestKeyFrame = requestKeyFrame;
  }

  receive(packet: RtcpPacket): void {
    if (packet.type === RtcpRrPacket.type) {
      const report = packet.reports.at(-1);
      if (report === undefined) return;
      this.delay = report.dlsr;
      this.jitter = report.jitter;
      this.totalLost = report.packetsLost;
    } else if (packet.type === RtcpTransportLayerFeedback.type) {
      if (packet.feedback instanceof GenericNack) this.nacks += packet.feedback.lost.length;
    } else if (packet.type === RtcpPayloadSpecificFeedback.type) {
      if (packet.feedback instanceof ReceiverEstimatedMaxBitrate) {
        this.maximumBitrate = Number(packet.feedback.bitrate);
      } else if (asksForKeyFrame(packet)) {
        this.#requestKeyFrame();
      }
    }
  }
}

/** A picture loss indication (1) or a full intra request (4). */
function asksForKeyFrame(packet: RtcpPayloadSpecificFeedback): boolean {
  const count = packet.feedback?.count;
  return count === 1 || count === 4;
}
