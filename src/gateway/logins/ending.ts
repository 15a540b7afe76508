import { isFailureCode, type FailureCode } from '../../errors.ts';

/** How a login ended: which side did it, under which name, and what there is to say about it. */
export interface Ending {
  by: 'client' | 'agent' | 'gateway';
  code: FailureCode | 'CLIENT_LEFT' | 'CLIENT_LOST';
  message: string;
}

/** Close codes by which a client says that it leaves: normal, going away (the page was closed), and a close without a code. */
const LEAVING = [1000, 1001, 1005];

export function endingOfClient(closeCode: number): Ending {
  if (LEAVING.includes(closeCode)) return { by: 'client', code: 'CLIENT_LEFT', message: 'the client left' };
  return { by: 'client', code: 'CLIENT_LOST', message: `the client's connection was lost (close code ${closeCode})` };
}

/** An agent names a failure as its reason; a tunnel that ends in any other way was lost. */
export function endingOfTunnel(closeCode: number, reason: Buffer): Ending {
  const name = reason.toString('utf8');
  if (closeCode >= 4000 && isFailureCode(name))
    return { by: 'agent', code: name, message: `the agent ended this connection: ${name}` };
  return { by: 'agent', code: 'AGENT_OFFLINE', message: `the agent's connection was lost (close code ${closeCode})` };
}
