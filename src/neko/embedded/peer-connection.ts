// A viewer's werift connection, set up as neko's is: one UDP port, one bundle, VP8 and Opus.
import {
  type Address,
  MediaStream,
  MediaStreamTrack,
  RTCPeerConnection,
  RTCRtpCodecParameters,
  type RTCDataChannel,
  type RTCRtpSender,
  useTransportWideCC,
  useTWCC,
} from 'werift';
import { type Check, LiteNomination } from './lite-nomination.ts';
import { AUDIO, VIDEO } from './pipelines.ts';
import { hostAddresses } from './session-description.ts';
import type { UdpPorts } from './udp-ports.ts';

// Another program may take a port between our trying it and binding it; that often in a row it is no coincidence.
const BIND_ATTEMPTS_MAX = 5;

class PortTaken extends Error {}

export interface PeerNetwork {
  ports: UdpPorts;
  iceLite: boolean;
  /** The addresses to offer; empty: this machine's own. */
  addresses: readonly string[];
}

export interface OfferedConnection {
  connection: RTCPeerConnection;
  channel: RTCDataChannel;
  video: RTCRtpSender;
  audio: RTCRtpSender;
  port: number;
  /** Gives the port back, once the connection is closed. */
  release(): void;
}

export interface ConnectionOptions {
  /** Asks for feedback on when each packet of video arrived. */
  transportFeedback: boolean;
  /** Called with each connectivity check that comes in. */
  heard: () => void;
}

/** Binds a port and prepares the offer. Rejects, and leaves nothing open, when no port can be had. */
export async function offerConnection(network: PeerNetwork, options: ConnectionOptions): Promise<OfferedConnection> {
  for (let attempt = 1; ; attempt += 1) {
    const port = await network.ports.take();
    try {
      return await offerOn(port, network, options);
    } catch (error) {
      network.ports.release(port);
      if (!(error instanceof PortTaken) || attempt === BIND_ATTEMPTS_MAX) throw error;
    }
  }
}

/**
 * Starts the checks of an ICE restart, once its answer is set: werift 0.25 does not while DTLS is connected, and keeps those that come
 * in for a start that never is, unless their sender was told of as a candidate. Resolves with the new way; rejects when the connection is closed first.
 */
export async function checkRestarted(connection: RTCPeerConnection): Promise<void> {
  const restarted = connection.iceTransports.filter(({ state }) => state !== 'connected');
  await Promise.all(restarted.map((transport) => transport.start()));
}

async function offerOn(port: number, network: PeerNetwork, options: ConnectionOptions): Promise<OfferedConnection> {
  const nomination = network.iceLite ? new LiteNomination() : undefined;
  const connection = createConnection(port, network.iceLite, options, (check, from) => {
    options.heard();
    return nomination?.admit(check, from) ?? true;
  });
  try {
    // neko's order of sections, and one stream for both, so that browsers keep them in step.
    const stream = new MediaStream({ id: 'stream' });
    // A viewer may send its microphone's sound in the same section.
    const audio = addSender(connection, 'audio', 'sendrecv', stream);
    const video = addSender(connection, 'video', 'sendonly', stream);
    const channel = connection.createDataChannel('data');
    await connection.setLocalDescription(await connection.createOffer());
    nomination?.attach(connection);
    const bound = boundPort(connection, port);
    return { connection, channel, video, audio, port: bound, release: () => network.ports.release(port) };
  } catch (error) {
    await connection.close();
    throw error;
  }
}

function createConnection(
  port: number,
  iceLite: boolean,
  { transportFeedback }: ConnectionOptions,
  admit: (check: Check, from: Address) => boolean,
): RTCPeerConnection {
  const [ownAddress] = hostAddresses();
  return new RTCPeerConnection({
    iceServers: [],
    iceLite,
    iceUseIpv4: true,
    iceUseIpv6: false,
    iceUseTcp: false,
    bundlePolicy: 'max-bundle',
    // werift wants two ports, and takes the first that is free.
    icePortRange: [port, port + 1],
    // It binds a socket for each address of the machine, to `udp4`'s address, after leaving out addresses that none of these
    // values names. So with IPv6 off this makes one socket, on all interfaces.
    iceInterfaceAddresses: { udp4: '0.0.0.0', udp6: ownAddress ?? '127.0.0.1' },
    ...(ownAddress === '127.0.0.1' ? { iceAdditionalHostAddresses: [ownAddress] } : {}),
    iceFilterStunResponse: admit,
    codecs: {
      audio: [
        new RTCRtpCodecParameters({
          mimeType: 'audio/opus',
          clockRate: AUDIO.clockRate,
          channels: 2,
          payloadType: AUDIO.payloadType,
          parameters: 'minptime=10;useinbandfec=1;stereo=1',
        }),
      ],
      video: [
        new RTCRtpCodecParameters({
          mimeType: 'video/VP8',
          clockRate: VIDEO.clockRate,
          payloadType: VIDEO.payloadType,
          rtcpFeedback: [
            { type: 'ccm', parameter: 'fir' },
            { type: 'nack', parameter: 'pli' },
            { type: 'nack' },
            ...(transportFeedback ? [useTWCC()] : []),
          ],
        }),
      ],
    },
    headerExtensions: { audio: [], video: transportFeedback ? [useTransportWideCC()] : [] },
  });
}

function addSender(
  connection: RTCPeerConnection,
  kind: 'audio' | 'video',
  direction: 'sendonly' | 'sendrecv',
  stream: MediaStream,
): RTCRtpSender {
  const track = new MediaStreamTrack({ kind, id: kind });
  return connection.addTransceiver(track, { direction, streams: [stream] }).sender;
}

/** The port that was bound. Throws when somebody took it since it was tried. */
function boundPort(connection: RTCPeerConnection, wanted: number): number {
  const [candidate] = connection.iceTransports.flatMap((transport) => transport.getLocalCandidates());
  const bound = Number(candidate?.candidate?.split(' ')[5]);
  if (bound !== wanted) throw new PortTaken(`UDP port ${wanted} was taken by another program`);
  return bound;
}
