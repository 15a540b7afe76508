// ICE candidates as SDP writes them. RFC 8839, section 5.1; TCP: RFC 6544, section 4.5.

/** One candidate. `rest` is what follows its type, with the space before it. */
export interface Candidate {
  foundation: string;
  component: string;
  transport: string;
  priority: number;
  address: string;
  port: number;
  type: string;
  rest: string;
}

const CANDIDATE =
  /^candidate:([A-Za-z0-9+/]{1,32}) (\d{1,3}) ([A-Za-z0-9-]+) (\d{1,10}) ([0-9A-Za-z.:-]+) (\d{1,5}) typ ([a-z]+)( .*)?$/;
const PORT_MAX = 65_535;
const FOUNDATION_MAX_LENGTH = 32;

/** @returns undefined for what is none that we can read: a name instead of an address is read, another syntax is not */
export function parseCandidate(text: string): Candidate | undefined {
  const match = CANDIDATE.exec(text);
  if (!match) return undefined;
  const [, foundation = '', component = '', transport = '', priority, address = '', port, type = '', rest = ''] = match;
  if (Number(port) > PORT_MAX) return undefined;
  return { foundation, component, transport, priority: Number(priority), address, port: Number(port), type, rest };
}

export function formatCandidate(candidate: Candidate): string {
  const { foundation, component, transport, priority, address, port, type, rest } = candidate;
  return `candidate:${foundation} ${component} ${transport} ${priority} ${address} ${port} typ ${type}${rest}`;
}

/** The same at another address of the host, which is the `index`-th of several: each further one less preferred. */
export function atAddress(candidate: Candidate, address: string, index: number): Candidate {
  if (index === 0) return { ...candidate, address };
  return {
    ...candidate,
    address,
    // Candidates of different bases must not share a foundation.
    foundation: `${candidate.foundation.slice(0, FOUNDATION_MAX_LENGTH - 3)}n${index}`,
    priority: Math.max(1, candidate.priority - index * 2 ** 8),
  };
}

const TCP_FOUNDATION = 'nekogatetcp';

/**
 * A passive TCP candidate, the `index`-th of several. Its type preference is 0 and not a host candidate's 126, so that anything
 * else that works, a relay too, is preferred: all of this viewer's media goes through the gateway on it.
 */
export function tcpCandidate({ address, port }: { address: string; port: number }, index: number): Candidate {
  const priority = (65_535 - index) * 2 ** 8 + 255;
  return {
    foundation: `${TCP_FOUNDATION}${index}`,
    component: '1',
    transport: 'tcp',
    priority,
    address,
    port,
    type: 'host',
    rest: ' tcptype passive',
  };
}
