import { ownAddresses } from '../../net/own-addresses.ts';

// What we change in the session descriptions that werift writes and reads. RFC 8866, RFC 8839.

/** As RTCIceCandidateInit. */
export interface Candidate {
  candidate: string;
  sdpMid: string;
  sdpMLineIndex: number;
  usernameFragment: string | null;
}

const HOST_PREFERENCE_MAX = 65_535;

/**
 * The candidates of one UDP port that is bound on all interfaces: one for each of `addresses`, the first preferred.
 * Priority as in RFC 8445, section 5.1.2: type preference 126, component 1.
 */
export function hostCandidates(addresses: readonly string[], port: number): Candidate[] {
  return addresses.map((address, index) => {
    const priority = 126 * 2 ** 24 + (HOST_PREFERENCE_MAX - index) * 2 ** 8 + 255;
    return {
      candidate: `candidate:${index + 1} 1 udp ${priority} ${address} ${port} typ host`,
      sdpMid: '0',
      sdpMLineIndex: 0,
      usernameFragment: null,
    };
  });
}

/** The offer with `candidates` in place of werift's, and `a=ice-lite` where it belongs, in the session's part. */
export function finishOffer(sdp: string, candidates: readonly Candidate[]): string {
  const lines = sdp.split('\r\n');
  const isLite = lines.includes('a=ice-lite');
  const kept = lines.filter((line) => !/^a=(candidate:|end-of-candidates|ice-lite)/.test(line));
  const firstMedia = kept.findIndex((line) => line.startsWith('m='));
  const afterFirst = kept.findIndex((line, index) => index > firstMedia && line.startsWith('m='));
  const endOfFirst = afterFirst < 0 ? kept.length - 1 : afterFirst;
  return [
    ...kept.slice(0, firstMedia),
    ...(isLite ? ['a=ice-lite'] : []),
    ...kept.slice(firstMedia, endOfFirst),
    ...candidates.map((one) => `a=${one.candidate}`),
    ...kept.slice(endOfFirst),
  ].join('\r\n');
}

/** The answer without candidates that we shall not look up or dial: names (mDNS) and TCP. The viewer finds us anyway. */
export function trimAnswer(sdp: string): string {
  return sdp
    .split(/\r?\n/)
    .filter((line) => !line.startsWith('a=candidate:') || isPlainUdp(line.slice(2)))
    .join('\r\n');
}

/** Whether a candidate is UDP with an address, not a name. */
export function isPlainUdp(candidate: string): boolean {
  const [, , transport, , address] = candidate.split(' ');
  return transport?.toLowerCase() === 'udp' && address !== undefined && /^[\d.]+$|:/.test(address);
}

/** The IPv4 addresses of this machine's interfaces; loopback where there is no other. */
export function hostAddresses(): string[] {
  const addresses = ownAddresses({ withV6: false });
  return addresses.length > 0 ? addresses : ['127.0.0.1'];
}
