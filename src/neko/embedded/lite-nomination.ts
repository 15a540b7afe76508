// Which of the viewer's addresses gets the media under ICE lite. werift 0.25 waits for the viewer to nominate one, which Chromium
// does only with its next round of checks (up to a second, while its DTLS hello goes unanswered), and never changes it after that.
import type { Address, RTCPeerConnection, RTCIceTransport } from 'werift';

/** A check as werift's filter shows it; the attributes that it has by then decide what werift does. */
export interface Check {
  attributesKeys: readonly string[];
  getAttributeValue(name: 'USERNAME'): unknown;
  setAttribute(name: 'USE-CANDIDATE', value: null): unknown;
}

/** Takes the first address that a check comes from, and then whichever the viewer nominates (RFC 8445, section 8.1.1, as a controlled agent). */
export class LiteNomination {
  #transport: RTCIceTransport | undefined;
  /** Whose checks have got the media an address: each restart of ICE has a user fragment of its own. */
  #chosenFor: string | undefined;

  /** From here on later nominations are followed. */
  attach(connection: RTCPeerConnection): void {
    [this.#transport] = connection.iceTransports;
  }

  /** Looks at one check before werift does; false when it is for somebody else and must get no answer. */
  admit(check: Check, from: Address): boolean {
    const fragment = this.#transport?.localParameters.usernameFragment;
    if (fragment === undefined || !isFor(fragment, check)) return false;
    const isNominated = check.attributesKeys.includes('USE-CANDIDATE');
    if (this.#chosenFor !== fragment) {
      this.#chosenFor = fragment;
      check.setAttribute('USE-CANDIDATE', null);
    } else if (isNominated) {
      // After werift has made a pair of it.
      queueMicrotask(() => this.#follow(from));
    }
    return true;
  }

  #follow([host, port]: Address): void {
    const connection = this.#transport?.connection;
    const [chosenHost, chosenPort] = connection?.nominated?.remoteAddr ?? [];
    if (connection?.nominated === undefined || (chosenHost === host && chosenPort === port)) return;
    const pair = connection.candidatePairs.find(({ remoteAddr }) => remoteAddr[0] === host && remoteAddr[1] === port);
    if (pair !== undefined) connection.nominated = pair;
  }
}

function isFor(fragment: string, check: Check): boolean {
  return String(check.getAttributeValue('USERNAME')).startsWith(`${fragment}:`);
}
